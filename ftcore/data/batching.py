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
        rank: which of the `world` processes this is; each takes every world-th micro-batch of a step.
    """

    lengths: np.ndarray
    batch_size: int
    accumulation: int
    seed: int
    rank: int = 0
    world: int = 1

    @property
    def steps_per_epoch(self) -> int:
        """Optimizer steps that one pass takes."""
        return math.ceil(math.ceil(len(self.lengths) / self.batch_size) / (self.accumulation * self.world))

    def epoch(self, epoch: int) -> list[list[np.ndarray]]:
        """The optimizer steps of one pass: for each, this rank's micro-batches (int64 feature indices).

        Every rank has the same number of micro-batches in a step; where a short last step has none left for it,
        one without features.
        """
        rng = np.random.default_rng([self.seed, epoch])
        order = rng.permutation(len(self.lengths))
        window = self.batch_size * _WINDOW
        batches: list[np.ndarray] = []
        for start in range(0, len(order), window):
            part = order[start : start + window]
            part = part[np.argsort(self.lengths[part], kind="stable")]
            batches.extend(np.split(part, range(self.batch_size, len(part), self.batch_size)))
        batches = [batches[i] for i in rng.permutation(len(batches))]
        batches += [np.empty(0, np.int64)] * (-len(batches) % self.world)
        per_step = self.accumulation * self.world
        return [batches[i : i + per_step][self.rank :: self.world] for i in range(0, len(batches), per_step)]


def by_length(lengths: np.ndarray, batch_size: int) -> list[np.ndarray]:
    """All features once, in batches of like length, longest first (memory peaks at once, not at the end)."""
    order = np.argsort(-lengths, kind="stable")
    return [order[i : i + batch_size] for i in range(0, len(order), batch_size)]
