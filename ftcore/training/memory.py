"""How many rows go through the model at once: as many as fit, without a change of the step.

A step's loss is a sum over rows divided by their weight, so its gradient is the same however the rows are cut.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch

from ftcore.errors import UserError
from ftcore.families.model import Batch
from ftcore.spec.training import BATCH_SIZE, TrainingSpec

# Padded tokens that a CPU works on at once: more gain nothing there, and take memory.
_CPU_TOKENS = 4096


def rows_and_accumulation(training: TrainingSpec) -> tuple[int, int]:
    """Rows a batch of the plan and batches a step. With `auto` a step is one batch, which `MicroBatches` cuts."""
    if training.batch_size == "auto":
        return BATCH_SIZE * training.gradient_accumulation, 1
    return training.batch_size or BATCH_SIZE, training.gradient_accumulation


class MicroBatches:
    """Cuts batches into pieces that fit; halves the pieces when memory has run out.

    Args:
        training: with `batch_size: auto` pieces are bounded by their tokens on a CPU; elsewhere a batch is one piece
            until memory says otherwise.
    """

    def __init__(self, training: TrainingSpec, device: torch.device) -> None:
        self._tokens = _CPU_TOKENS if training.batch_size == "auto" and device.type == "cpu" else None
        self._rows = torch.zeros((), dtype=torch.int64)  # most rows of a piece; 0: no bound yet
        self._largest = 0  # rows of the largest piece since the last halving

    @property
    def tensors(self) -> dict[str, torch.Tensor]:
        """The whole state, live: checkpoints write these tensors and fill them in place."""
        return {"rows": self._rows}

    def cut(self, batch: Batch) -> list[Batch]:
        """The batch in pieces of nearly equal size, in order."""
        rows, width = batch["input_ids"].shape
        most = int(self._rows) or rows
        if self._tokens is not None:
            most = min(most, max(1, self._tokens // width))
        pieces = -(-rows // most)
        bounds = [rows * i // pieces for i in range(pieces + 1)]
        self._largest = max(self._largest, -(-rows // pieces))
        return [{name: value[start:end] for name, value in batch.items()} for start, end in pairwise(bounds)]

    def halve(self) -> int:
        """Bound pieces by half the rows of the largest one so far; return that bound.

        Raises:
            UserError: that one had a single row.
        """
        if self._largest <= 1:
            raise UserError(
                "not even one row fits into the memory of the device",
                where="training.batch_size",
                hint="lower model.max_length, or set training.gradient_checkpointing: true",
            )
        self._rows.fill_(self._largest // 2)
        self._largest = 0
        return int(self._rows)


def peak_memory(device: torch.device) -> int | None:
    """The most memory that torch has held on a GPU for this process, bytes; None on other devices."""
    return torch.cuda.max_memory_reserved(device) if device.type == "cuda" else None


def recompute_activations(model: torch.nn.Module) -> None:
    """Gradient checkpointing (Chen et al. 2016): the layers' activations are made again in the backward pass.

    Raises:
        UserError: the architecture cannot.
    """
    if not getattr(model, "supports_gradient_checkpointing", False):
        raise UserError(
            f"{type(model).__name__} cannot compute its activations again",
            where="training.gradient_checkpointing",
        )
    bare: Any = model
    # The newer name; transformers 5.3 has only the older one.
    enable = getattr(bare, "activation_checkpointing_enable", None) or bare.gradient_checkpointing_enable
    enable({"use_reentrant": False})
