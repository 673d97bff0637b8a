"""What one fine-tuning needs, as `fine_tune` takes it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ftcore.data.features import TrainingFeatures
from ftcore.events import Emit
from ftcore.families.model import Model
from ftcore.spec.training import TrainingSpec
from ftcore.training.checkpoint import CheckpointStore
from ftcore.training.stopping import StopRequest


@dataclass(frozen=True)
class Validation:
    """The validation split under a model: every metric by name, and the mean loss."""

    metrics: Mapping[str, float]
    loss: float


#: Measures the validation split for the model as it is.
Validate = Callable[[torch.nn.Module], Validation]


@dataclass(frozen=True)
class Job:
    """All that one fine-tuning needs.

    Args:
        model: float32; it is moved to the device, and changed in place.
        train: the training features.
        locations: of the rows behind some features (int64 indices), `file:row` each.
        validate: called every so often, by every process; None trains without.
        metric: the key of its result that picks the best checkpoint.
        evaluate_first: evaluate before the first step, so that training must beat the weights it starts from.
        share: of its steps, after which training ends; the learning rate falls as if it went on.
        resume: start from the newest checkpoint if there is one.
        trial: only what `validate` finds is of use: the weights of the best evaluation are not looked for in the end,
            and an evaluation is followed by a checkpoint only where there was none for long.
    """

    training: TrainingSpec
    family: Model[Any, Any]
    model: torch.nn.Module
    train: TrainingFeatures
    locations: Callable[[np.ndarray], list[str]]
    validate: Validate | None
    metric: str
    higher_is_better: bool
    checkpoints: CheckpointStore
    emit: Emit
    stop: StopRequest
    resume: bool = False
    evaluate_first: bool = False
    share: float = 1.0
    trial: bool = False
