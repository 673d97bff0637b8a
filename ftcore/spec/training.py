"""The section `training`: how long, how large a step, and every technique that any family can use.

Each technique is off unless its field is given. docs/reference/training.md says what each does and where it is
from. Combinations that contradict each other are refused here.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from ftcore.spec.base import Fraction, Section
from ftcore.spec.source import SourceField

Scheduler = Literal["linear", "cosine", "constant", "inverse_sqrt", "wsd"]
Optimizer = Literal["adamw", "adafactor", "adamw_8bit"]
Seed = Annotated[int, Field(ge=0, lt=2**32)]

#: Of `recipe: plain`, and wherever nothing was chosen.
EPOCHS, LEARNING_RATE, BATCH_SIZE = 4.0, 1e-4, 32


class EarlyStoppingSpec(Section):
    """Stop when `evaluation.metric` no longer gets better."""

    patience: int = Field(2, ge=1, description="Evaluations without a better value before training stops.")
    min_delta: float = Field(0.0, ge=0, description="How much better counts as better.")


class FreezeSpec(Section):
    """Which of the base model's weights stay as they are."""

    embeddings: bool = Field(False, description="The embeddings.")
    layers: int = Field(0, ge=0, description="The first so many layers.")
    trunk: bool = Field(
        False, description="Everything below the head: it runs once, and its outputs are kept on disk."
    )
    gradual: bool = Field(
        False, description="Start with the head alone and unfreeze one layer more each epoch, from the top."
    )

    @model_validator(mode="after")
    def _means_something(self) -> FreezeSpec:
        if self.trunk and (self.embeddings or self.layers or self.gradual):
            raise ValueError("`trunk` freezes all that the other fields could: give it alone")
        if not (self.trunk or self.embeddings or self.layers or self.gradual):
            raise ValueError("say what to freeze: `embeddings`, `layers`, `trunk` or `gradual`")
        return self


class EmaSpec(Section):
    """Evaluate and keep a moving average of the weights."""

    decay: float = Field(
        0.999, gt=0, lt=1, description="Share of the average that a step keeps; lower in the first steps."
    )


class AugmentSpec(Section):
    """Other versions of the training rows, drawn anew each epoch; their labels stay."""

    swap: Fraction = Field(0.0, description="Share of a text's words that change places with another one.")
    delete: Fraction = Field(0.0, description="Chance of each word to be left out.")
    hook: float = Field(
        0.0, ge=0, le=1, description="Share of the texts that go through the plugin's `ftcore_augment`."
    )
    mask: Fraction = Field(0.0, description="Chance of each token to become the tokenizer's mask token.")

    @model_validator(mode="after")
    def _means_something(self) -> AugmentSpec:
        if not any((self.swap, self.delete, self.hook, self.mask)):
            raise ValueError("give at least one of `swap`, `delete`, `hook` and `mask`")
        return self


class PretrainSpec(Section):
    """Train the base model on texts without labels first: it tells hidden words from those around them."""

    on: SourceField = Field(description="The texts: like `data.train`, with no label.")
    column: str = Field("text", min_length=1, description="The texts' column.")
    epochs: float = Field(3.0, gt=0, le=10_000, description="Passes over the texts.")
    learning_rate: float = Field(
        1e-4, gt=0, lt=10, description="Peak learning rate; base and large models want 2e-5 to 5e-5."
    )
    batch_size: int = Field(32, ge=1, le=65_536, description="Texts an optimizer step, on each device.")
    mask: float = Field(0.15, gt=0, lt=1, description="Share of the tokens that are hidden.")


class DistillationSpec(Section):
    """How much is learnt from the teacher of `model.distill_from`, and how."""

    temperature: float = Field(
        2.0,
        gt=0,
        le=100,
        description="The outputs of both are divided by it: above 1 small chances count more.",
    )
    weight: float = Field(
        0.5, gt=0, le=1, description="Share of the teacher in the loss; the rest is that of the labels."
    )
    copies: int = Field(
        0,
        ge=0,
        le=100,
        description="So many changed copies of each training row, which the teacher answers as well: cut, with words"
        " left out or exchanged for those of other rows. Nobody has labelled them, so `weight` must be 1.",
    )

    @model_validator(mode="after")
    def _only_the_teacher_knows(self) -> DistillationSpec:
        if self.copies and self.weight != 1:
            raise ValueError("what `copies` makes has no labels but the teacher's: give `weight: 1`")
        return self


#: Of families whose recipes choose nothing but rates, epochs and batches.
StepsRecipe = Literal["auto", "plain", "steps"]


class TrainingSpec(Section):
    """How it is fine-tuned."""

    recipe: Literal["auto", "plain", "probe", "fresh_head", "steps"] = Field(
        "auto",
        description="Chooses what the spec leaves open of rates, epochs and batches; it prints what, and why.",
    )
    epochs: float | None = Field(
        None, gt=0, le=10_000, description="Passes over the training rows; chosen by `recipe` unless given."
    )
    max_steps: int | None = Field(None, ge=1, description="Optimizer steps; takes the place of `epochs`.")
    batch_size: Annotated[int, Field(ge=1, le=65_536)] | Literal["auto"] | None = Field(
        None,
        union_mode="left_to_right",
        description="Rows a micro-batch, on each device; 32 unless `recipe` chooses fewer. auto: a step has 32 rows"
        " times `gradient_accumulation`, in as few micro-batches as memory holds.",
    )
    token_budget: int | None = Field(
        None, ge=16, description="Padded tokens a micro-batch; takes the place of `batch_size`."
    )
    gradient_accumulation: int = Field(1, ge=1, description="Micro-batches an optimizer step.")
    optimizer: Optimizer = Field(
        "adamw", description="adamw_8bit keeps its state in 8 bits; it needs bitsandbytes and a GPU."
    )
    lazy_embeddings: Literal["auto", False] = Field(
        "auto",
        description="auto: adamw on a CPU leaves embedding rows alone that a step did not read; false: plain AdamW.",
    )
    learning_rate: float | None = Field(
        None,
        gt=0,
        lt=10,
        description="Peak learning rate, chosen by `recipe` unless given; base and large models want 2e-5 to 5e-5.",
    )
    head_learning_rate: float | None = Field(
        None, gt=0, lt=10, description="Peak learning rate of the head; chosen by `recipe` unless given."
    )
    layer_decay: float | None = Field(
        None, gt=0, le=1, description="Each layer's learning rate is this times that of the layer above it."
    )
    weight_decay: float = Field(0.01, ge=0, lt=1, description="Decoupled; not on biases and norms.")
    l1: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Decoupled L1 decay, which makes weights exactly 0; not on biases, norms.",
    )
    scheduler: Scheduler = Field("linear", description="Course of the learning rate after the warmup.")
    warmup: Fraction = Field(0.1, description="Share of the steps in which the learning rate rises from 0.")
    cooldown: Fraction = Field(
        0.2, description="wsd: share of the steps, at the end, in which the learning rate falls to 0."
    )
    max_grad_norm: float = Field(1.0, gt=0, description="Gradients are clipped to this norm.")
    freeze: FreezeSpec | None = Field(None, description="Everything trains unless given.")
    rdrop: float | None = Field(
        None, gt=0, description="R-Drop: weight of the divergence between two passes with other dropout."
    )
    fgm: float | None = Field(
        None, gt=0, description="Adversarial training (FGM): norm of the step away in each row's embeddings."
    )
    ema: EmaSpec | None = Field(None, description="Off unless given.")
    average_last: int | None = Field(
        None, ge=2, le=100, description="Evaluate and keep the mean of the weights at the last evaluations."
    )
    augment: AugmentSpec | None = Field(None, description="Off unless given.")
    pretrain: PretrainSpec | None = Field(None, description="Off unless given.")
    distillation: DistillationSpec | None = Field(
        None, description="Needs `model.distill_from`; its own defaults hold there unless given."
    )
    seed: Seed = Field(42, description="Of initialisation, order and dropout.")
    seeds: list[Seed] | None = Field(
        None,
        min_length=2,
        json_schema_extra={"uniqueItems": True},
        description="Train once with each, report mean and spread, and go on with the best; instead of `seed`.",
    )
    precision: Literal["auto", "fp32", "bf16", "fp16"] = Field(
        "auto", description="auto: bf16 where the hardware computes it natively, else fp32."
    )
    compile: bool = Field(False, description="torch.compile: slow to start, faster where a GPU waits.")
    gradient_checkpointing: bool = Field(
        False, description="Compute activations again in the backward pass instead of keeping them."
    )
    evaluate_every: Annotated[int, Field(ge=1)] | Literal["epoch"] | None = Field(
        None,
        union_mode="left_to_right",
        description="`epoch`, or a number of steps between two evaluations; `epoch` unless `recipe` chooses another.",
    )
    early_stopping: EarlyStoppingSpec | None = Field(None, description="Off unless given.")
    checkpoint_every: Annotated[int, Field(ge=1)] | Literal["evaluation"] = Field(
        "evaluation",
        union_mode="left_to_right",
        description="Steps between two more checkpoints than those of every evaluation, or `evaluation`: those only.",
    )
    distributed: Literal["ddp", "fsdp"] = Field(
        "ddp",
        description="Of several processes (torchrun): ddp: each has the whole model; fsdp: each has a slice.",
    )

    @property
    def copies(self) -> int:
        """Changed copies of each training row."""
        return self.distillation.copies if self.distillation else 0

    @model_validator(mode="after")
    def _fits_together(self) -> TrainingSpec:
        if self.ema and self.average_last:
            raise ValueError("`average_last` and `ema` are two averages of the weights: give one")
        if self.batch_size == "auto" and self.token_budget:
            raise ValueError("`token_budget` sizes the batches already: leave `batch_size: auto` out")
        if self.seeds and len(set(self.seeds)) != len(self.seeds):
            raise ValueError("`seeds` names one twice")
        if self.freeze and self.freeze.trunk:
            for name in ("fgm", "layer_decay"):
                if getattr(self, name) is not None:
                    raise ValueError(f"`{name}` has nothing to act on where `freeze.trunk` holds")
        return self
