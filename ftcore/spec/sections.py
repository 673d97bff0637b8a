"""The sections of a spec that every task has. Strict: a key that is not here is an error.

Families narrow or extend these in a module of their own (`ftcore.families.sequence_classification.spec`, ...), tasks
in their plugin. Every field carries the description that editors show.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ftcore.spec.base import Fraction
from ftcore.spec.base import Section as Section  # part of this module's surface
from ftcore.spec.conditions import Condition as Condition
from ftcore.spec.conditions import SliceSpec as SliceSpec
from ftcore.spec.export import ExportSpec as ExportSpec
from ftcore.spec.invariance import InvarianceSpec
from ftcore.spec.metrics import MetricInfo
from ftcore.spec.policy import PolicySpec as PolicySpec
from ftcore.spec.source import DATASET as DATASET
from ftcore.spec.source import Source as Source
from ftcore.spec.source import SourceField as SourceField
from ftcore.spec.source import format_names as format_names
from ftcore.spec.training import TrainingSpec as TrainingSpec


class SplitSpec(Section):
    """How rows are held out when `validation` or `test` is not given. Rows with equal text stay together."""

    validation: Fraction | Annotated[int, Field(ge=1)] = Field(
        0.1,
        union_mode="left_to_right",
        description="Share (below 1) or number of rows held out for validation.",
    )
    test: Fraction | Annotated[int, Field(ge=1)] = Field(
        0.1,
        union_mode="left_to_right",
        description="Share (below 1) or number of rows held out for the test.",
    )
    seed: int = Field(0, ge=0, description="Of the split alone: it does not change with `training.seed`.")
    stratify: bool = Field(True, description="Keep the label shares equal across the splits.")


class SampleSpec(Section):
    """Rows kept of each split, chosen with the split's seed; all rows unless given."""

    train: int | None = Field(None, ge=1)
    validation: int | None = Field(None, ge=1)
    test: int | None = Field(None, ge=1)


class DataSpec(Section):
    """What is learnt from."""

    train: SourceField = Field(description="The rows to train on.")
    validation: SourceField | None = Field(None, description="Held out of `train` unless given.")
    test: SourceField | None = Field(None, description="Held out of `train` unless given.")
    where: list[Condition] = Field(default_factory=list, description="Which rows of the sources are used.")
    keep: list[Annotated[str, Field(min_length=1)]] = Field(
        default_factory=list,
        description="Columns that predictions carry along, and that `slices` may look at; the model never sees them.",
    )
    license: str | None = Field(
        None, min_length=1, description="Of the data, for the model card; a package's own unless given."
    )
    split: SplitSpec = Field(default_factory=SplitSpec)
    cross_validation: int | None = Field(
        None,
        ge=2,
        le=20,
        description="Train by the same recipe on each of so many folds' other rows, too, and measure the answers to the"
        " rows of all folds: figures for small data. Rows that a file of their own holds out have no part in it.",
    )
    sample: SampleSpec = Field(default_factory=SampleSpec)
    max_leakage: float | None = Field(
        None,
        ge=0,
        le=1,
        description="Share of the validation or test rows that may be in `train`, too (equal, or by the audit nearly"
        " so), before that is an error; it is a warning, however many there are, unless given.",
    )

    @property
    def sources(self) -> list[Source]:
        """Those that are given."""
        return [source for source in (self.train, self.validation, self.test) if source is not None]


class LoraSpec(Section):
    """Train low-rank updates of the linear layers (and the head); merged into the model before it is kept."""

    rank: int = Field(8, ge=1, le=4096, description="Rank of each update.")
    alpha: float = Field(16, gt=0, description="Updates are scaled by alpha / rank.")
    dropout: Fraction = Field(0.0, description="On the input of the updates.")
    target_modules: list[str] | None = Field(
        None, min_length=1, description="Names of the layers that get one; every linear layer unless given."
    )


class ModelSpec(Section):
    """What is fine-tuned."""

    base: str = Field(
        min_length=1,
        description="A folder with config.json and *.safetensors, `package:<module>/<path>`, or a Hub id.",
    )
    license: str | None = Field(
        None,
        min_length=1,
        description="Of the base model, for the model card; its README's, or a package's own, unless given.",
    )
    max_length: int = Field(256, ge=4, le=131_072, description="Tokens of one input; longer inputs are cut.")
    dropout: float | None = Field(None, ge=0, lt=1, description="Overrides every dropout of the base model.")
    distill_from: str | None = Field(
        None,
        min_length=1,
        description="The teacher, whose outputs for the training rows are learnt with the labels: a run's folder,"
        " that of a spec's runs (the newest with a model), or a fine-tuned model as in `base`.",
    )
    keep_layers: int | None = Field(
        None, ge=1, description="So many of the base model's layers, evenly spaced; all unless given."
    )
    keep_intermediate: int | None = Field(
        None,
        ge=1,
        description="So many of each layer's intermediate features (between its two feed-forward products), those"
        " with the largest weights; all unless given.",
    )
    lora: LoraSpec | None = Field(None, description="Everything trains unless given.")
    quantize_base: Literal["nf4"] | None = Field(
        None, description="QLoRA: the frozen weights in 4 bits; needs `lora`, bitsandbytes and a GPU."
    )

    @property
    def pretrained(self) -> tuple[str, ...]:
        """The fields that name a model whose weights training starts from."""
        return ("base",)

    @model_validator(mode="after")
    def _lora_to_quantize_for(self) -> ModelSpec:
        if self.quantize_base and not self.lora:
            raise ValueError("`quantize_base` leaves nothing to train without `lora`: give both")
        return self


class EvaluationSpec(Section):
    """How it is measured."""

    metric: str | None = Field(
        None, min_length=1, description="Picks the best checkpoint; the task's own unless given."
    )
    batch_size: int = Field(64, ge=1, le=65_536, description="Rows a batch.")
    bootstrap: int = Field(
        1000, ge=0, le=100_000, description="Resamples behind each interval; 0: no intervals."
    )
    confidence: float = Field(0.95, gt=0.5, lt=1, description="Of the intervals.")
    zero_shot: bool = Field(
        False,
        description="Measure the base model on the test rows as it is, too, and what training gained. A sentence"
        " encoder answers with the label whose name (or description) lies nearest, any other new head by chance.",
    )


class ChecksSpec(Section):
    """What a result has to show, beyond `export.gates`."""

    beats_baseline: Literal["off", "warn", "fail"] = Field(
        "warn",
        description="The model is clearly better (by the interval of the paired difference) than the"
        " baselines of its task, such as the most frequent answer or a linear SVM on TF-IDF. fail: exit code"
        " 3 where it is not.",
    )

    audit: Literal["off", "on"] = Field(
        "on",
        description="Look at all rows before training: copies across splits, contradicting labels, rare ones, texts"
        " that do not belong; see `ftcore audit`.",
    )
    slices: dict[str, float] = Field(
        default_factory=dict,
        description="Name of a slice -> what its monitored metric must reach on the test rows (of an error: may be at"
        " most). Exit code 3 where one does not.",
    )
    invariance: list[InvarianceSpec] = Field(
        default_factory=list,
        description="Changes of the test rows' texts that their answers should not depend on.",
    )

    @model_validator(mode="after")
    def _invariance_has_names(self) -> ChecksSpec:
        names = Counter(one.title for one in self.invariance)
        if repeated := [name for name, count in names.items() if count > 1]:
            raise ValueError(
                f"`invariance` has {repeated[0]!r} more than once: give one of them another `name`"
            )
        return self


class Spec(Section):
    """One task file."""

    family: ClassVar[str]

    task: str = Field(min_length=1, description="The task's id, as `ftcore tasks` lists it.")
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$",
        description="Of the run folder; the file's stem unless given.",
    )
    data: DataSpec
    model: ModelSpec
    training: TrainingSpec = Field(default_factory=TrainingSpec)
    evaluation: EvaluationSpec = Field(default_factory=EvaluationSpec)
    policy: PolicySpec = Field(default_factory=PolicySpec)
    slices: list[SliceSpec] = Field(
        default_factory=list, description="Kinds of test rows that are measured on their own, too."
    )
    checks: ChecksSpec = Field(default_factory=ChecksSpec)
    export: ExportSpec = Field(default_factory=ExportSpec)

    @property
    def policies(self) -> frozenset[str]:
        """Fields of `policy` that can be kept to; none unless a family says so."""
        return frozenset()

    @property
    def known_metrics(self) -> Mapping[str, MetricInfo] | None:
        """Every metric that the family may give for this spec; None where only measuring tells."""
        return None

    @property
    def answers_may_stay(self) -> bool:
        """Whether an answer can be the same where a text is written otherwise; False unless a family says so."""
        return False

    @model_validator(mode="after")
    def _invariance_fits(self) -> Spec:
        if self.checks.invariance and not self.answers_may_stay:
            raise ValueError("`checks.invariance` is for answers that are the same or not: labels, spans")
        return self

    @model_validator(mode="after")
    def _policy_fits(self) -> Spec:
        if strangers := [name for name in self.policy.fields_in_use if name not in self.policies]:
            raise ValueError(f"`policy.{strangers[0]}` cannot be kept to by this kind of answer")
        return self

    @model_validator(mode="after")
    def _slices_are_there(self) -> Spec:
        names = [one.name for one in self.slices]
        if repeated := [name for name, count in Counter(names).items() if count > 1]:
            raise ValueError(f"`slices` has {repeated[0]!r} more than once")
        if strangers := [name for name in self.checks.slices if name not in names]:
            raise ValueError(f"`checks.slices` names {strangers[0]!r}, which is none of `slices`")
        for one in self.slices:
            if unkept := [part.column for part in one.where if part.column not in self.data.keep]:
                raise ValueError(f"the slice {one.name!r} looks at {unkept[0]!r}: list it in `data.keep`")
        return self

    @model_validator(mode="after")
    def _folds_or_seeds(self) -> Spec:
        if self.data.cross_validation and self.training.seeds:
            raise ValueError("`data.cross_validation` and `training.seeds` each train many times: give one")
        return self

    @model_validator(mode="after")
    def _one_way_to_freeze(self) -> Spec:
        if self.model.lora and self.training.freeze:
            raise ValueError(
                "`training.freeze` and `model.lora` contradict: LoRA freezes the base model already"
            )
        if self.model.lora and self.training.distributed == "fsdp":
            raise ValueError("`training.distributed: fsdp` cannot be used with `model.lora`: use `ddp`")
        return self

    @model_validator(mode="after")
    def _teacher_fits(self) -> Spec:
        if self.training.distillation and not self.model.distill_from:
            raise ValueError("`training.distillation` needs a teacher: name it in `model.distill_from`")
        if self.model.distill_from and self.training.augment:
            raise ValueError(
                "`training.augment` changes rows, and the teacher of `model.distill_from` answered them as they were:"
                " give one"
            )
        return self
