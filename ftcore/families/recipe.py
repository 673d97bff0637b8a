"""What a recipe is: values for those fields of `training` that the spec leaves open, and the reason for them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ftcore.families.model import Stored
from ftcore.modeling.base_model import BaseModel
from ftcore.spec.training import BATCH_SIZE, EPOCHS, LEARNING_RATE, TrainingSpec

TrainingT = TypeVar("TrainingT", bound=TrainingSpec)

#: What a small encoder needs and nothing else: every family's defaults unless it knows better.
PLAIN: Mapping[str, Any] = {
    "epochs": EPOCHS,
    "learning_rate": LEARNING_RATE,
    "batch_size": BATCH_SIZE,
}
#: Learning rate by the size of the hidden states from which it holds: 2e-5 to 5e-5 is usual for base and large models
#: (Devlin et al. 2019), and what is smaller takes more.
RATES = {1024: 2e-5, 640: 5e-5, 0: LEARNING_RATE}
#: Rate of a head that is not yet what the trunk is, in rates of the trunk.
HEAD_FACTOR = 10.0
#: Optimizer steps below which a model is not trained out: on few rows more of them bring more than anything else
#: (Mosbach et al. 2021). They come of smaller batches first, which cost nothing, then of more passes, at most so many.
STEPS, PASSES = 400, 20
BATCHES = (BATCH_SIZE, 16, 8)


@dataclass(frozen=True)
class Recipe:
    """One choice.

    Args:
        name: what `training.recipe` calls it.
        why: in one sentence.
        training: values of fields of `training`, for those that the spec leaves open.
        extras: further choices to report, a name in words to each.
    """

    name: str
    why: str
    training: Mapping[str, Any]
    extras: Mapping[str, Any] = field(default_factory=dict)

    def fill(self, training: TrainingT) -> TrainingT:
        """The section with every field that is open (None) as the recipe has it."""
        chosen = {name: value for name, value in self.training.items() if getattr(training, name) is None}
        return training.model_copy(update=chosen)


PLAIN_RECIPE = Recipe("plain", "one rate for all weights, and a head that starts at random", PLAIN)


def usual_rate(hidden_size: int) -> float:
    """The learning rate of a base model whose hidden states have this size."""
    return next(rate for size, rate in RATES.items() if hidden_size >= size)


def step_rows(training: TrainingSpec) -> int:
    """Rows of an optimizer step, on each device, where no recipe has chosen them."""
    batch = training.batch_size
    return (batch if isinstance(batch, int) else BATCH_SIZE) * training.gradient_accumulation


def enough_steps(training: TrainingSpec, rows: int, hidden_size: int, *, fresh_head: bool) -> Recipe:
    """The recipe of families whose head no probe can start: a rate by size, and enough steps for few rows.

    Args:
        training: of the spec; what it gives is kept, and what it leaves open fits that.
        rows: of the training split.
        hidden_size: of the base model.
        fresh_head: the model gets a head that starts at random: it learns at `HEAD_FACTOR` times the trunk's rate.
    """
    if training.recipe not in ("auto", "steps"):
        return PLAIN_RECIPE
    rate = usual_rate(hidden_size)
    chosen: dict[str, Any] = {**PLAIN, "learning_rate": rate}
    if fresh_head:
        chosen["head_learning_rate"] = HEAD_FACTOR * (training.learning_rate or rate)
    why = f"{rows:,} rows: enough for {EPOCHS:g} passes"
    step = step_rows(training)
    if training.epochs is None and training.max_steps is None and rows * EPOCHS < STEPS * step:
        if training.batch_size is None and training.token_budget is None:
            most_rows = rows * PASSES / 2 / STEPS  # of a step, so that half of the passes make them
            batch = next((size for size in BATCHES if size <= most_rows), BATCHES[-1])
            chosen["batch_size"], step = batch, batch * training.gradient_accumulation
        epochs = min(PASSES, max(int(EPOCHS), math.ceil(STEPS * step / max(1, rows))))
        chosen["epochs"] = float(epochs)
        why = f"{rows:,} rows: few, so there are {epochs} passes in steps of {step} rows"
    return Recipe("steps", why, chosen)


@runtime_checkable
class RecipeChooser(Protocol):
    """A family that knows more recipes than the plain one."""

    def choose_recipe(self, base: BaseModel, rows: int, validation: int) -> Recipe:
        """The recipe that `training.recipe` names, or the best known one for so many training and validation rows."""


@runtime_checkable
class Named(Protocol):
    """A family whose answers have names that a sentence encoder understands."""

    def answer_texts(self, base: BaseModel) -> list[str] | None:
        """A text for each output; None where outputs have no names, or the base model is no sentence encoder."""


@runtime_checkable
class Probed(Protocol):
    """A family whose head is one linear layer that a regression on frozen representations can start."""

    def probe_texts(self, base: BaseModel) -> list[str] | None:
        """A text for each output that is worth a row of it; None where there are none to learn from."""

    def probe(
        self, inputs: np.ndarray, features: Stored, named: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """Weights, float [outputs, size], and bias, float [outputs], of that layer.

        Args:
            inputs: float32 [features, size]: what the layer reads.
            features: of the training rows, with their targets.
            named: float32 [outputs, size]: what it reads of `probe_texts`.
        """
