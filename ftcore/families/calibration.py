"""Whether scores mean what they say: reliability, expected calibration error, and risk against coverage."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Bin:
    """Rows of like score.

    Args:
        score: their mean score, 0 to 1.
        accuracy: the share of them that is right.
    """

    rows: int
    score: float
    accuracy: float


def reliability(scores: Array, right: Array, bins: int = 10) -> list[Bin]:
    """Bins of equal mass (Nguyen and O'Connor 2015), from the lowest scores to the highest.

    Args:
        scores: float [rows], of each answer, 0 to 1.
        right: bool [rows], whether it is right.
        bins: fewer where there are fewer rows.
    """
    parts = np.array_split(np.argsort(scores, kind="stable"), min(bins, len(scores)) or 1)
    return [
        Bin(len(part), float(scores[part].mean()), float(right[part].mean())) for part in parts if len(part)
    ]


def calibration_error(scores: Array, right: Array, bins: int = 15) -> float:
    """Expected calibration error over bins of equal mass: the mean distance of score and accuracy, by rows."""
    return float(gaps_of_bins((scores - right)[np.argsort(scores, kind="stable")], bins))


def gaps_of_bins(gaps: Array, bins: int = 15) -> Array:
    """The same of score less right, float [..., rows], in the order of the scores; fast, for many resamples.

    Returns:
        float [...].
    """
    rows = gaps.shape[-1]
    found: Array = np.abs(np.add.reduceat(gaps, _starts(rows, bins), axis=-1)).sum(axis=-1) / rows
    return found


@lru_cache(maxsize=64)
def _starts(rows: int, bins: int) -> Array:
    """Where each bin of so many rows begins; not to be changed."""
    return np.linspace(0, rows, min(bins, rows) + 1).astype(np.int64)[:-1]


def ranking_quality(scores: Array, right: Array) -> float:
    """Area under the ROC curve: how often, of one right and one wrong row, the right one has the higher score.

    Equal scores count half (Mann and Whitney 1947). 0.5, which is chance, where all are right or all are wrong.

    Args:
        scores: float [rows].
        right: bool [rows].
    """
    from scipy.stats import rankdata

    hits = int(np.count_nonzero(right))
    if not 0 < hits < len(right):
        return 0.5
    ranks = rankdata(scores)[right].sum()
    return float((ranks - hits * (hits + 1) / 2) / (hits * (len(right) - hits)))


def risk_coverage(scores: Array, right: Array) -> tuple[Array, Array]:
    """Share of rows answered, and share of those that is wrong, where the least certain are left out first.

    Returns:
        coverage, risk: float [rows] each, from the most certain row alone to all rows.
    """
    order = np.argsort(-scores, kind="stable")
    answered = np.arange(1, len(order) + 1)
    return answered / max(1, len(order)), np.cumsum(~right[order].astype(bool)) / answered
