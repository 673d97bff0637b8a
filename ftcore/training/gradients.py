"""The gradient of one optimizer step: forward and backward over its micro-batches, in pieces that fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from ftcore import processes
from ftcore.data.features import TrainingFeatures
from ftcore.families.model import Batch, Model
from ftcore.modeling.device import to_device
from ftcore.spec.training import TrainingSpec
from ftcore.training.guard import Seen
from ftcore.training.memory import MicroBatches
from ftcore.training.objective import Objective
from ftcore.training.row_adamw import clip_gradients


class Gradients:
    """Adds up the gradient of a step in the parameters of `model`.

    Args:
        model: as accelerate prepared it.
        sharded: over the processes (FSDP2), which reduce each piece's gradient.
        halved: called with the rows of a piece whenever memory runs out.
    """

    def __init__(
        self,
        model: torch.nn.Module,
        train: TrainingFeatures,
        family: Model[Any, Any],
        training: TrainingSpec,
        accelerator: Accelerator,
        *,
        sharded: bool,
        halved: Callable[[int], None],
    ) -> None:
        self.memory = MicroBatches(training, accelerator.device)
        self._model = model
        self._train = train
        self._weight = family.weight
        self._objective = Objective(family, training, accelerator.autocast, accelerator.backward)
        self._accelerator = accelerator
        self._max_norm = training.max_grad_norm
        self._sharded = sharded
        self._halved = halved

    def add(self, micro_batches: list[np.ndarray], epoch: int) -> tuple[torch.Tensor, Seen, bool]:
        """Forward and backward over this rank's micro-batches, in smaller pieces where memory runs out.

        Returns:
            the step's loss (of all ranks, once they are averaged), what was seen of it, and whether any row counts.
        """
        accelerator = self._accelerator
        # A rank that has no rows left in a short last step goes through the motions with one row that does not
        # count: the others wait for its part of the gradient.
        batches = [self._train.batch(i if len(i) else np.zeros(1, np.int64), epoch) for i in micro_batches]
        counts = [float(len(i) > 0) for i in micro_batches]
        weight = sum((self._weight(b) * n for b, n in zip(batches, counts, strict=True)), torch.zeros(()))
        whole = float(processes.total(weight))
        # Rows that all weigh nothing have nothing to say: their loss is 0, and the step changes nothing.
        counted = whole > 0
        # Ranks average their gradients, so each one's share is scaled back up to a sum.
        scales = [n * accelerator.num_processes / (whole if counted else 1.0) for n in counts]
        while True:
            try:
                losses = self._backward(batches, scales)
                return torch.stack(losses).sum(), Seen(losses, micro_batches), counted
            except torch.OutOfMemoryError:
                if processes.world() > 1:  # the others would wait for this one's gradient
                    raise
            self._model.zero_grad()  # out of the handler, which keeps what the failed pass had in memory
            self._halved(self.memory.halve())
            torch.cuda.empty_cache()

    def clip(self) -> torch.Tensor:
        """Scale the gradient down to `max_grad_norm`; returns its norm before."""
        parameters = list(self._model.parameters())
        if any(p.grad is not None and p.grad.is_sparse for p in parameters):
            return clip_gradients(parameters, self._max_norm)
        norm: torch.Tensor = self._accelerator.clip_grad_norm_(parameters, self._max_norm)
        return norm

    def _backward(self, batches: Sequence[Batch], scales: Sequence[float]) -> list[torch.Tensor]:
        """Add up the gradients of all batches; the loss of each, detached."""
        accelerator = self._accelerator
        losses: list[torch.Tensor] = []
        for i, (batch, scale) in enumerate(zip(batches, scales, strict=True)):
            pieces = self.memory.cut(batch)
            parts: list[torch.Tensor] = []
            for j, piece in enumerate(pieces):
                on_device = to_device(piece, accelerator.device)
                last = i == len(batches) - 1 and j == len(pieces) - 1
                with nullcontext() if last or self._sharded else accelerator.no_sync(self._model):
                    parts.append(self._objective.backward(self._model, on_device, scale))
            losses.append(torch.stack(parts).sum())
        return losses
