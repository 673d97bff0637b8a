"""Optimizer and learning rate."""

from __future__ import annotations

import math
from typing import Literal

import torch

from ftcore.spec.sections import TrainingSpec


def make_optimizer(model: torch.nn.Module, training: TrainingSpec) -> torch.optim.Optimizer:
    """AdamW with decoupled weight decay on matrices alone: biases and norms are vectors and do not decay."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim > 1], "weight_decay": training.weight_decay},
        {"params": [p for p in trainable if p.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([g for g in groups if g["params"]], lr=training.learning_rate, fused=True)


def learning_rate_factor(
    step: int, total: int, warmup: float, scheduler: Literal["linear", "cosine", "constant"]
) -> float:
    """Share of the peak learning rate in optimizer step `step` (from 0) of `total`; a pure function."""
    rising = round(total * warmup)
    if step < rising:
        return (step + 1) / rising
    if scheduler == "constant":
        return 1.0
    done = (step - rising) / max(total - rising, 1)
    return 1.0 - done if scheduler == "linear" else 0.5 * (1.0 + math.cos(math.pi * done))
