"""The learning rate of each step: pure functions of the step's number, so that a resumed run needs no state."""

from __future__ import annotations

import math

import torch

from ftcore.spec.training import TrainingSpec


def learning_rate_factor(step: int, total: int, training: TrainingSpec) -> float:
    """Share of the peak learning rate in optimizer step `step` (from 0) of `total`.

    After the warmup: linear and cosine fall to 0, constant stays, inverse_sqrt falls with the root of the step
    (Vaswani et al. 2017), wsd stays and falls in the last `cooldown` of the steps (Hu et al. 2024).
    """
    rising = round(total * training.warmup)
    if step < rising:
        return (step + 1) / rising
    done = (step - rising) / max(total - rising, 1)
    if training.scheduler == "linear":
        return 1.0 - done
    if training.scheduler == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * done))
    if training.scheduler == "inverse_sqrt":
        return math.sqrt(max(rising, 1) / (step + 1))
    if training.scheduler == "wsd":
        falling = round(total * training.cooldown)
        return min(1.0, (total - step) / falling) if falling else 1.0
    return 1.0


def set_learning_rates(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Put every group at `factor` of its own peak."""
    for group in optimizer.param_groups:
        group["lr"] = group["initial_lr"] * factor
