"""Fine-tuned models that a family's model can learn from."""

from __future__ import annotations

from typing import Any

import torch

from ftcore.errors import ModelError
from ftcore.families.model import Model
from ftcore.modeling.base_model import BaseModel


def open_teacher_model(family: Model[Any, Any], base: BaseModel) -> torch.nn.Module:
    """A fine-tuned model of the class that `family` builds, in eval mode.

    Raises:
        ModelError: it was fine-tuned for something else.
    """
    return checked_teacher(base, family.build(base))


def checked_teacher(base: BaseModel, model: torch.nn.Module) -> torch.nn.Module:
    """The model, in eval mode, if `base` was fine-tuned as one of its class.

    Raises:
        ModelError: it was not.
    """
    named = list(base.config.architectures or [])
    if type(model).__name__ not in named:
        raise ModelError(
            f"the teacher is a {', '.join(named) or 'model without a head'}, not a {type(model).__name__}",
            where="model.distill_from",
            hint="name a run of this family, or a model that was fine-tuned for it",
        )
    return model.eval()
