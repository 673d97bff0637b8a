"""What a recipe is: values for those fields of `training` that the spec leaves open, and the reason for them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, runtime_checkable

import numpy as np

from ftcore.families.model import Stored
from ftcore.modeling.base_model import BaseModel
from ftcore.spec.training import EPOCHS, LEARNING_RATE, TrainingSpec

TrainingT = TypeVar("TrainingT", bound=TrainingSpec)

#: What a small encoder needs and nothing else: every family's defaults unless it knows better.
PLAIN: Mapping[str, Any] = {"epochs": EPOCHS, "learning_rate": LEARNING_RATE}


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
