"""Confidence intervals of any metric by the percentile bootstrap (Efron and Tibshirani 1993, chapter 13)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ftcore.families.scoring import Scorer


@dataclass(frozen=True)
class Interval:
    """Bounds of a metric at the stated confidence."""

    low: float
    high: float


def bootstrap(
    scorer: Scorer, rows: int, resamples: int, confidence: float, seed: int = 0
) -> dict[str, Interval]:
    """Interval of every metric of `scorer` over `rows` rows, from resamples drawn with replacement.

    The rows are what is drawn, so the interval speaks of other rows from the same source, not of other trainings.
    Empty where `resamples` or `rows` is 0.
    """
    if not resamples or not rows:
        return {}
    rng = np.random.default_rng(seed)
    drawn = [scorer(rng.integers(0, rows, rows)) for _ in range(resamples)]
    tail = 100 * (1 - confidence) / 2
    found = {}
    for name in drawn[0]:
        low, high = np.percentile([values[name] for values in drawn], [tail, 100 - tail])
        found[name] = Interval(float(low), float(high))
    return found
