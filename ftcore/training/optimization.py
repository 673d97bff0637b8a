"""The optimizer: which parameters it moves, how fast each group goes, and which rule moves them."""

from __future__ import annotations

from typing import Any

import torch

from ftcore.modeling.layers import head_depth, parameter_depths
from ftcore.modeling.low_bits import load_bitsandbytes
from ftcore.spec.training import LEARNING_RATE, TrainingSpec
from ftcore.training.row_adamw import RowAdamW


def make_optimizer(model: torch.nn.Module, training: TrainingSpec) -> torch.optim.Optimizer:
    """The spec's optimizer over the groups of `parameter_groups`.

    Raises:
        UserError: 8-bit AdamW without bitsandbytes or without a GPU.
    """
    groups = parameter_groups(model, training)
    if training.optimizer == "adafactor":
        return torch.optim.Adafactor(groups)
    if training.optimizer == "adamw_8bit":
        return _adamw_8bit(groups)
    return RowAdamW(groups, fused=True)


def parameter_groups(model: torch.nn.Module, training: TrainingSpec) -> list[dict[str, Any]]:
    """Trainable parameters by learning rate and decay; `initial_lr` of a group is its peak rate.

    Weight decay is on matrices alone: biases and norms are vectors. With `layer_decay` d, the layer k below the
    head goes at d^k of the learning rate (discriminative fine-tuning, Howard and Ruder 2018).
    """
    depths = parameter_depths(model)
    head = head_depth(depths)
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate = (training.learning_rate or LEARNING_RATE) * (training.layer_decay or 1.0) ** (
            head - depths[name]
        )
        if depths[name] == head and training.head_learning_rate is not None:
            rate = training.head_learning_rate
        decay = training.weight_decay if decays(parameter) else 0.0
        groups.setdefault((rate, decay), []).append(parameter)
    return [
        {"params": members, "lr": rate, "initial_lr": rate, "weight_decay": decay}
        for (rate, decay), members in groups.items()
    ]


def decays(parameter: torch.nn.Parameter) -> bool:
    """Whether weight decay and L1 act on it: biases and norms are vectors and stay out."""
    return parameter.ndim > 1


@torch.no_grad()
def shrink(optimizer: torch.optim.Optimizer, l1: float) -> None:
    """Decoupled L1: move every weight that decays by `lr * l1` towards 0, and not beyond.

    The proximal step of the L1 penalty (soft thresholding, Parikh and Boyd 2014, section 6.5.2): unlike a penalty
    in the loss it makes weights exactly 0, whatever the optimizer. Frozen weights stay.
    """
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if decays(parameter) and parameter.requires_grad:
                parameter.copy_(torch.nn.functional.softshrink(parameter, group["lr"] * l1))


def _adamw_8bit(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
    bitsandbytes = load_bitsandbytes(
        "8-bit AdamW",
        where="training.optimizer",
        hint="use `adafactor`, whose state is small as well, or `adamw`",
    )
    optimizer: torch.optim.Optimizer = bitsandbytes.optim.AdamW8bit(groups)
    return optimizer
