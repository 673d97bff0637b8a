"""Which rows make which batch: by length within shuffled windows, a pure function of seed and epoch.

Nothing is kept between epochs but the two numbers, so a resumed run reads the same rows in the same order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

_WINDOW = 50  # batches sorted together: long enough to save padding, short enough to stay random


@dataclass(frozen=True)
class BatchPlan:
    """The order of one training set.

    Args:
        lengths: int64 [features]: tokens of each feature.
        batch_size: features a micro-batch.
        accumulation: micro-batches an optimizer step, on each rank.
        seed: of the order.
        token_budget: padded tokens a micro-batch, in place of `batch_size`.
        rank: which of the `world` processes this is; each takes every world-th micro-batch of a step.
    """

    lengths: np.ndarray
    batch_size: int
    accumulation: int
    seed: int
    token_budget: int | None = None
    rank: int = 0
    world: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps that one pass takes; with a token budget those of the first pass, others differ a little."""
        if self.token_budget:
            return self._steps(len(self._batches(0)[0]))
        return self._steps(math.ceil(len(self.lengths) / self.batch_size))

    def steps(self, epochs: float) -> int:
        """Optimizer steps that so many passes take; at least one."""
        if not self.token_budget:
            return max(1, math.ceil(epochs * self.steps_per_epoch))
        whole = [self._steps(len(self._batches(epoch)[0])) for epoch in range(math.ceil(epochs))]
        rest = math.ceil(epochs) - epochs
        return max(1, sum(whole) - math.floor(rest * whole[-1]))

    def _steps(self, batches: int) -> int:
        return math.ceil(batches / (self.accumulation * self.world))

    def epoch(self, epoch: int) -> list[list[np.ndarray]]:
        """The optimizer steps of one pass: for each, this rank's micro-batches (int64 feature indices).

        Every rank has the same number of micro-batches in a step; where a short last step has none left for it,
        one without features.
        """
        batches, rng = self._batches(epoch)
        batches = [batches[i] for i in rng.permutation(len(batches))]
        batches += [np.empty(0, np.int64)] * (-len(batches) % self.world)
        per_step = self.accumulation * self.world
        return [batches[i : i + per_step][self.rank :: self.world] for i in range(0, len(batches), per_step)]

    def _batches(self, epoch: int) -> tuple[list[np.ndarray], np.random.Generator]:
        """The micro-batches of one pass before they are shuffled, and the generator to shuffle them with."""
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.lengths))
        rows = self.batch_size
        if self.token_budget:
            rows = max(1, round(self.token_budget / max(float(self.lengths.mean()), 1.0)))
        batches: list[np.ndarray] = []
        for start in range(0, len(order), rows * _WINDOW):
            part = order[start : start + rows * _WINDOW]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            cuts = list(range(rows, len(part), rows))
            if self.token_budget:
                cuts = _cuts(self.lengths[part], self.token_budget)
            batches.extend(np.split(part, cuts))
        return batches, rng


def _cuts(lengths: np.ndarray, budget: int) -> list[int]:
    """Where to cut ascending lengths so that rows times the longest of each piece stays within the budget."""
    cuts, start = [], 0
    for end, length in enumerate(lengths.tolist()):
        if end > start and (end + 1 - start) * length > budget:
            cuts.append(end)
            start = end
    return cuts


def by_length(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """All features once, in batches of like length, longest first (memory peaks at once, not at the end)."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
