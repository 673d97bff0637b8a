"""Keeps NaN and Inf out of the weights, without reading a number back from the GPU in every step.

A fused optimizer leaves the weights alone when it is given `found_inf` (the flag that loss scaling uses), so on a
GPU the flag stays there and is read every few steps: from the first bad step on no update is applied. Elsewhere
the norm is looked at before the update.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.distributed.tensor import DTensor

from ftcore import processes
from ftcore.errors import RunFailed

_NAMED = 40  # rows in the message


@dataclass(frozen=True)
class Seen:
    """What a step read, kept until it is known to be sound.

    Args:
        losses: one scalar a micro-batch.
        micro_batches: feature indices of each.
    """

    losses: Sequence[torch.Tensor]
    micro_batches: Sequence[np.ndarray]


class FiniteGuard:
    """Looks at every step's gradient norm before the update.

    Args:
        optimizer: bare.
        deferred: read the flag only in `check`; the optimizer must be fused and its parameters not sharded.
        locations: where the rows of some features come from, as error messages show it.
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        device: torch.device,
        *,
        deferred: bool,
        locations: Callable[[np.ndarray], list[str]],
    ) -> None:
        self._optimizer = optimizer
        self._deferred = deferred
        self._locations = locations
        self._bad_step = torch.zeros((), dtype=torch.int64, device=device)
        self._seen: dict[int, Seen] = {}

    def look(self, step: int, norm: torch.Tensor, seen: Seen) -> None:
        """Note whether step `step` (from 1) may be applied; call it before `optimizer.step()`.

        Raises:
            RunFailed: it may not, and reading is not deferred.
        """
        if isinstance(norm, DTensor):
            norm = norm.full_tensor()
        self._seen[step] = seen
        now_bad = (self._bad_step == 0) & ~torch.isfinite(norm)
        self._bad_step = torch.where(now_bad, step, self._bad_step)
        if self._deferred:
            self._optimizer.found_inf = (self._bad_step > 0).float()  # type: ignore[attr-defined]
        else:
            self.check()

    def check(self) -> None:
        """Read the flag.

        Raises:
            RunFailed: a step's loss or gradient was not finite; no update was applied from it on.
        """
        step = int(self._bad_step)
        if step:
            raise RunFailed(self._message(step))
        self._seen.clear()

    def _message(self, step: int) -> str:
        seen = self._seen[step]
        bad = [i for i, loss in enumerate(seen.losses) if not torch.isfinite(loss)]
        # The rows at fault may be another process's: the one that has them says so for all.
        source = processes.largest(processes.rank() if bad else -1)
        what = (
            f"the loss of step {step} is not finite" if source >= 0 else f"the gradient of step {step} is not"
        )
        what += "" if source >= 0 else " finite (its loss is)"
        batches = [seen.micro_batches[i] for i in bad] if bad else list(seen.micro_batches)
        locations = self._locations(np.unique(np.concatenate(batches)))
        more = f" and {len(locations) - _NAMED} more" if len(locations) > _NAMED else ""
        text = (
            f"{what}: the update was not applied, and the last checkpoint stands; the rows were"
            f" {', '.join(locations[:_NAMED])}{more}\n  help: look at these rows; if they are sound, lower"
            " training.learning_rate or train in `precision: fp32`"
        )
        return processes.share_text(text, max(source, 0))
