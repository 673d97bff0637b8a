"""Another model's labels held against ours: the same names, in whatever order it has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import transformers

from ftcore.errors import ModelError

#: What transformers calls a problem.
PROBLEM_TYPES = {
    "single_label": "single_label_classification",
    "multi_label": "multi_label_classification",
    "regression": "regression",
}


def teacher_order(
    config: transformers.PretrainedConfig, problem: str, labels: Sequence[str]
) -> list[int] | None:
    """Where the logit of each of `labels` is among the teacher's; None where they are in order already.

    Raises:
        ModelError: the teacher solves another problem, or knows other labels.
    """
    kind = config.problem_type
    if kind is not None and kind != PROBLEM_TYPES[problem]:
        raise _unfit(f"the teacher's problem is {kind}, not {PROBLEM_TYPES[problem]}")
    if problem == "regression":
        if config.num_labels != 1:
            raise _unfit(f"the teacher has {config.num_labels} outputs; a regression has one")
        return None
    theirs = [str(config.id2label[place]) for place in range(config.num_labels)]
    told = [
        f"{what} {', '.join(map(repr, names[:8]))}{', ...' if len(names) > 8 else ''}"
        for what, names in (
            ("it lacks", [name for name in labels if name not in theirs]),
            ("it has as well", [name for name in theirs if name not in labels]),
        )
        if names
    ]
    if told:
        raise _unfit(
            f"the teacher's labels are not those of the data: {'; '.join(told)}",
            hint="its config.json names them in `id2label`; they must be the same texts",
        )
    order = [theirs.index(name) for name in labels]
    return None if order == sorted(order) else order


def in_order(model: torch.nn.Module, order: Sequence[int] | None) -> torch.nn.Module:
    """The model with its logits in this order."""
    return model if order is None else _Reordered(model, order)


class _Reordered(torch.nn.Module):
    def __init__(self, model: torch.nn.Module, order: Sequence[int]) -> None:
        super().__init__()
        self.model = model
        self.register_buffer("order", torch.tensor(order))

    def forward(self, **inputs: torch.Tensor) -> Any:  # noqa: ANN401 (an output object of transformers)
        made = self.model(**inputs)
        made.logits = made.logits[:, self.order]
        return made


def _unfit(what: str, hint: str | None = None) -> ModelError:
    return ModelError(what, where="model.distill_from", hint=hint)
