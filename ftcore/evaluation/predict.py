"""Outputs of a torch model for a whole split, in the order of its features."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import torch

from ftcore.data.batching import by_length
from ftcore.data.features import FeatureStore
from ftcore.families.base import Family


def predict(
    model: torch.nn.Module,
    family: Family[Any],
    features: FeatureStore,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
) -> dict[str, np.ndarray]:
    """Run `model` over every feature, in batches of like length.

    Returns:
        output name -> float32 array [features, ...]; axes that differ between batches (positions, say) are
        filled up with -inf.
    """
    device = next(model.parameters()).device
    model.eval()
    batches = by_length(features.lengths, batch_size)
    made: list[dict[str, np.ndarray]] = []
    with torch.inference_mode(), autocast():
        for indices in batches:
            batch = {name: value.to(device) for name, value in features.batch(indices).items()}
            made.append({name: value.cpu().numpy() for name, value in family.outputs(model, batch).items()})
    if not made:
        return {}
    order = np.concatenate(batches)
    return {name: _in_order([outputs[name] for outputs in made], order) for name in made[0]}


def _in_order(parts: list[np.ndarray], order: np.ndarray) -> np.ndarray:
    shape = [max(part.shape[axis] for part in parts) for axis in range(1, parts[0].ndim)]
    whole = np.full((len(order), *shape), -np.inf, dtype=np.float32)
    start = 0
    for part in parts:
        short = [(0, 0), *((0, size - had) for size, had in zip(shape, part.shape[1:], strict=True))]
        whole[order[start : start + len(part)]] = np.pad(part, short, constant_values=-np.inf)
        start += len(part)
    return whole
