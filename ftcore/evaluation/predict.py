"""What a torch model responds for a whole split, in the order of its features."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ftcore import processes
from ftcore.data.batching import by_length
from ftcore.data.features import FeatureStore
from ftcore.families.bound import BoundFamily
from ftcore.families.model import Model, SupportsSearch
from ftcore.modeling.device import device_of, to_device
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import filled


@dataclass
class LossSum:
    """The loss of the features that `predict` ran over, added up as it goes; float64.

    Args:
        total: sum of the loss.
        weight: what the sum is divided by for the mean.
    """

    total: float = 0.0
    weight: float = 0.0

    @property
    def mean(self) -> float:
        """The mean loss; NaN where nothing was added."""
        return self.total / self.weight if self.weight else math.nan

    def add(
        self,
        family: Model[Any, Any],
        model: torch.nn.Module,
        batch: dict[str, torch.Tensor],
        responses: dict[str, torch.Tensor],
    ) -> None:
        """Add one batch; a family whose responses are not its outputs runs the model once more."""
        outputs = family.outputs(model, batch) if isinstance(family, SupportsSearch) else responses
        self.total += float(family.loss(outputs, batch))
        self.weight += float(family.weight(batch))


def predict(
    model: torch.nn.Module,
    family: BoundFamily,
    features: FeatureStore,
    batch_size: int,
    autocast: Callable[[], AbstractContextManager[Any]] = nullcontext,
    *,
    together: bool = False,
    loss: LossSum | None = None,
) -> dict[str, np.ndarray]:
    """Run `model` over every feature, in batches of like length.

    Args:
        together: the processes of the training share the batches, and each gets the whole.
        loss: the loss of all features is added to it.

    Returns:
        output name -> float32 array [features, ...]; axes that differ between batches (positions, say) are
        filled up with -inf, and where an axis is that of the tokens, so is all that is padding.
    """
    device = device_of(model)
    model.eval()
    batches = by_length(features.lengths, batch_size)
    rank, world = (processes.rank(), processes.world()) if together else (0, 1)
    own = batches[rank::world]
    # All take as many turns: one that has no batch left runs the last again, since a sharded model needs all.
    turns = own + batches[-1:] * (math.ceil(len(batches) / world) - len(own))
    respond = family.model.respond if isinstance(family.model, SupportsSearch) else family.model.outputs
    made: list[dict[str, np.ndarray]] = []
    with torch.inference_mode(), autocast():
        for turn, indices in enumerate(turns):
            batch = to_device(features.batch(indices), device)
            responses = respond(model, batch)
            made.append({name: value.cpu().numpy() for name, value in responses.items()})
            if loss is not None:
                counted = loss if turn < len(own) else LossSum()
                counted.add(family.model, model, batch, responses)
    if loss is not None and together:
        sums = processes.total(torch.tensor([loss.total, loss.weight], dtype=torch.float64)).tolist()
        loss.total, loss.weight = sums
    if not made:
        return {}
    whole = {
        name: _in_order([outputs[name] for outputs in made], own, len(features), together) for name in made[0]
    }
    if make_decoder(family.scoring.decoder).by_token:
        for values in whole.values():
            values[~filled(features.lengths, values.shape[1])] = -np.inf
    return whole


def _in_order(
    parts: list[np.ndarray], batches: list[np.ndarray], features: int, together: bool
) -> np.ndarray:
    """Outputs of `batches` where their features belong; those of the other processes are added if `together`."""
    shape = [max(part.shape[axis] for part in parts) for axis in range(1, parts[0].ndim)]
    if together:
        shape = [processes.largest(size) for size in shape]
    whole = np.zeros((features, *shape), dtype=np.float32)
    for part, indices in zip(parts, batches, strict=False):  # what a process ran again has no batch
        short = [(0, 0), *((0, size - had) for size, had in zip(shape, part.shape[1:], strict=True))]
        whole[indices] = np.pad(part, short, constant_values=-np.inf)
    return processes.total(torch.from_numpy(whole)).numpy() if together else whole
