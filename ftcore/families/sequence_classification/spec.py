"""The spec of the family `sequence_classification`: labels, or a number, for a text (or a pair)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ftcore.families.sequence_classification.known_metrics import OF_ORDERED, OF_PROBLEM, Problem
from ftcore.spec.base import Columns, Fraction, check_labels, check_stride
from ftcore.spec.metrics import MetricInfo
from ftcore.spec.sections import DataSpec, EvaluationSpec, ModelSpec, Section, Spec, TrainingSpec


class SequenceClassificationColumns(Columns):
    """The names that the source gives its columns."""

    text: str = Field("text", min_length=1)
    text_pair: str | None = Field(None, min_length=1, description="A second text, for pairs.")
    label: str = Field("label", min_length=1, description="A label, several labels, or a number.")
    weight: str | None = Field(
        None, min_length=1, description="A row's weight in the loss; empty counts as 1."
    )


class PairColumns(SequenceClassificationColumns):
    """The same of rows with two texts."""

    text_pair: str = Field("text_pair", min_length=1, description="The second text.")


class SequenceClassificationData(DataSpec):
    """What is learnt from: texts and their labels."""

    columns: SequenceClassificationColumns = Field(default_factory=SequenceClassificationColumns)
    problem: Problem = Field("single_label", description="What a row's label is.")
    labels: list[str] | None = Field(
        None,
        min_length=2,
        description="Label names in the order of the logits; inferred (sorted) unless given.",
        json_schema_extra={"uniqueItems": True},
    )
    label_descriptions: dict[str, Annotated[str, Field(min_length=1)]] = Field(
        default_factory=dict,
        description="What a text of a label is about, in a few words: for the zero-shot figure before any training;"
        " the label's name unless given.",
    )
    label_separator: str = Field(
        "|",
        min_length=1,
        description="Between the labels of one cell, in a multi-label file that has no lists. Lists may be JSON, or as"
        " Python prints them; of zeros and ones or truth values, one for each of `labels`.",
    )

    @model_validator(mode="after")
    def _labels_fit(self) -> SequenceClassificationData:
        if self.labels is not None:
            if self.problem == "regression":
                raise ValueError("a regression has no `labels`")
            check_labels(self.labels)
        return self


class WindowsSpec(Section):
    """How a text that is longer than `max_length` tokens is read."""

    stride: int = Field(
        32, ge=0, description="Tokens that neighbouring windows share; at most half of `max_length`."
    )
    pool: Literal["mean", "max", "first"] = Field(
        "mean",
        description="What the answer is made of: the mean or the largest of each label's logit (or of the numbers) over"
        " all windows, or the first window alone, which cuts the text.",
    )


class SequenceClassificationModel(ModelSpec):
    """What is fine-tuned."""

    windows: WindowsSpec | None = Field(
        None,
        description="Read a longer text in windows of `max_length` tokens; it is cut unless given.",
    )

    pooling: Literal["mean", "first_token", "max", "last_token", "architecture"] | None = Field(
        None,
        description="What the head reads: the mean of the tokens' states, the first or the last one, the largest of"
        " each number, or what the architecture's own head makes of it; chosen by `training.recipe` unless given: as"
        " the base model was trained.",
    )


class SequenceClassificationTraining(TrainingSpec):
    """How it is fine-tuned."""

    recipe: Literal["auto", "plain", "probe", "fresh_head"] = Field(
        "auto",
        description="Chooses what the spec leaves open of rates, epochs, pooling and the head's start. auto: by rows,"
        " labels and base model; it prints what it chose, and why.",
    )
    head_start: Literal["probe", "random"] | None = Field(
        None,
        description="probe: the head's first weights are those of a logistic (or ridge) regression on what the base"
        " model makes of the training rows; chosen by `recipe` unless given.",
    )
    label_names: bool | None = Field(
        None,
        description="probe: the regression learns from each label's name (or its `data.label_descriptions`) as from a"
        " row of it; unless given, where all names are words and the base model is a sentence encoder.",
    )
    refit: bool | None = Field(
        None,
        description="Train once more, on training and validation rows, for as long as was best on rows held out;"
        " chosen by `recipe` unless given.",
    )
    folds: Annotated[int, Field(ge=1, le=20)] | None = Field(
        None,
        description="refit: how long is best is measured by cross-validation of training and validation rows in so many"
        " folds; 1: on the validation rows. Chosen by `recipe` unless given.",
    )

    loss: Literal["cross_entropy", "binary_cross_entropy", "mse", "huber"] | None = Field(
        None,
        description="Said by `data.problem` unless given: cross_entropy for one label, binary_cross_entropy for"
        " several, mse (or huber) for a number.",
    )
    huber_delta: float = Field(1.0, gt=0, description="huber: the error from which the loss grows linearly.")
    label_smoothing: Fraction = Field(0.0, description="Share of each target spread over all labels.")
    focal_gamma: float | None = Field(
        None, ge=0, description="Focal loss: rows that are answered well already count less."
    )
    logit_adjustment: float | None = Field(
        None, gt=0, description="Times the labels' log frequencies, added to the logits in training alone."
    )
    class_weights: (
        Literal["none", "balanced", "effective_number"] | dict[str, Annotated[float, Field(ge=0)]]
    ) = Field(
        "none",
        description="Weight of each label in the loss. balanced: rows / (labels x rows of the label);"
        " effective_number: likewise, with rows that overlap counted less.",
    )
    effective_number_beta: float = Field(
        0.999,
        gt=0,
        lt=1,
        description="effective_number: a label's rows count as (1 - beta^rows) / (1 - beta).",
    )
    mixup: float | None = Field(
        None, gt=0, description="Train on mixtures of two rows' representations; shares from Beta(it, it)."
    )

    contrast: float | None = Field(
        None,
        ge=0,
        description="So many times the loss of pairs of rows is added: in what the head reads, two rows of a batch are"
        " to be alike if they share their label, and unlike if not. 0: none; chosen by `recipe` unless given.",
    )

    @model_validator(mode="after")
    def _folds_refit(self) -> SequenceClassificationTraining:
        if self.refit is False and (self.folds or 1) > 1:
            raise ValueError("`folds` choose how long to train on all rows: leave `refit: false` out")
        return self

    @model_validator(mode="after")
    def _mixes_alone(self) -> SequenceClassificationTraining:
        for name in ("rdrop", "fgm"):
            if self.mixup and getattr(self, name) is not None:
                raise ValueError(f"`{name}` and `mixup` cannot be used together")
        if self.mixup and self.contrast:
            raise ValueError("`contrast` parts rows that `mixup` mixes: give one")
        if self.contrast and self.freeze and self.freeze.trunk:
            raise ValueError("`contrast` has nothing to act on where `freeze.trunk` holds")
        return self


class SequenceClassificationEvaluation(EvaluationSpec):
    """How it is measured."""

    threshold: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="Multi-label: the probability from which a label holds; unless given, the one with the best F1 on"
        " the validation rows, and one of its own for each label that has 20 of them.",
    )
    top_k: int | None = Field(
        None,
        ge=1,
        description="Labels in the scores of a prediction, the most probable ones; all of up to 100 labels unless"
        " given, 10 of more.",
    )


class SequenceClassificationSpec(Spec):
    """A spec of the family."""

    family: ClassVar[str] = "sequence_classification"
    #: True where the order of the labels means something: adds ordinal measures and a -1..1 polarity.
    ordered: ClassVar[bool] = False

    data: SequenceClassificationData
    model: SequenceClassificationModel
    training: SequenceClassificationTraining = Field(default_factory=SequenceClassificationTraining)
    evaluation: SequenceClassificationEvaluation = Field(default_factory=SequenceClassificationEvaluation)

    @property
    def policies(self) -> frozenset[str]:
        """All for one label, a temperature and a precision for several, none for a number."""
        every = frozenset({"temperature", "min_confidence", "target_precision", "conformal"})
        return {"single_label": every, "multi_label": frozenset({"temperature", "target_precision"})}.get(
            self.data.problem, frozenset()
        )

    @property
    def known_metrics(self) -> Mapping[str, MetricInfo]:
        """By the problem, and whether labels are ordered."""
        return {**OF_PROBLEM[self.data.problem], **(OF_ORDERED if self.ordered else {})}

    @model_validator(mode="after")
    def _one_way_to_a_threshold(self) -> SequenceClassificationSpec:
        several = self.data.problem == "multi_label"
        if several and self.evaluation.threshold is not None and self.policy.target_precision is not None:
            raise ValueError(
                "`policy.target_precision` chooses the thresholds of labels, and `evaluation.threshold` gives one:"
                " leave one out"
            )
        return self

    @model_validator(mode="after")
    def _windows_fit(self) -> SequenceClassificationSpec:
        windows, augment = self.model.windows, self.training.augment
        if windows is None:
            return self
        if self.data.columns.text_pair is not None:
            raise ValueError("`model.windows` are of one text: leave it out with `data.columns.text_pair`")
        given = "stride" in windows.model_fields_set
        check_stride(windows.stride, self.model.max_length, given=given, name="model.windows.stride")
        if augment and (augment.swap or augment.delete or augment.hook):
            raise ValueError(
                "`training.augment` changes words of whole texts, and `model.windows` reads parts: `mask` can be used"
            )
        return self

    @property
    def answers_may_stay(self) -> bool:
        """Labels."""
        return self.data.problem != "regression"

    @model_validator(mode="after")
    def _gates_have_rows(self) -> SequenceClassificationSpec:
        gates = self.export.gates
        if gates and gates.min_metric and self.training.refit:
            raise ValueError(
                "`export.gates.min_metric` is measured on validation rows, and `training.refit` trains on them:"
                " give one"
            )
        return self

    @model_validator(mode="after")
    def _loss_fits_problem(self) -> SequenceClassificationSpec:
        problem, training = self.data.problem, self.training
        fitting = {
            "single_label": ("cross_entropy",),
            "multi_label": ("binary_cross_entropy",),
            "regression": ("mse", "huber"),
        }[problem]
        if training.loss and training.loss not in fitting:
            raise ValueError(f"`training.loss` of `data.problem: {problem}` is {' or '.join(fitting)}")
        if problem == "regression":
            if training.class_weights != "none":
                raise ValueError("`training.class_weights` needs labels, and a regression has none")
            for name in ("label_smoothing", "focal_gamma"):
                if getattr(training, name):
                    raise ValueError(f"`training.{name}` needs labels, and a regression has none")
        for name in ("logit_adjustment", "contrast"):
            if getattr(training, name) and problem != "single_label":
                raise ValueError(f"`training.{name}` needs one label a row")
        return self
