"""Two models on the same rows: what one gets right that the other does not, and whether chance explains it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Paired:
    """Right and wrong answers of two models to the same rows.

    Args:
        rows: how many.
        fixed: indices of rows that the second gets right and the first does not, int64.
        broken: indices of rows that the first gets right and the second does not, int64.
        p_value: of McNemar's exact test (1947): how often chance alone makes a difference at least as large.
    """

    rows: int
    fixed: Array
    broken: Array
    p_value: float

    @property
    def difference(self) -> float:
        """Share of right answers of the second less that of the first."""
        return (len(self.fixed) - len(self.broken)) / max(1, self.rows)


def paired(first: Array, second: Array) -> Paired:
    """Compare two models by whether each answer is right.

    Args:
        first, second: bool [rows], of the same rows in the same order.
    """
    from scipy.stats import binomtest

    fixed, broken = np.flatnonzero(second & ~first), np.flatnonzero(first & ~second)
    changed = len(fixed) + len(broken)
    p_value = float(binomtest(len(fixed), changed, 0.5).pvalue) if changed else 1.0
    return Paired(len(first), fixed, broken, p_value)


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for how many there are (Holm 1979): the chance of one false alarm among all of them."""
    order = np.argsort(p_values, kind="stable")
    steps = np.asarray(p_values, dtype=float)[order] * np.arange(len(order), 0, -1)
    corrected = np.empty(len(order))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return [float(value) for value in corrected]


def sentence(one: str, other: str, found: Paired, p_value: float, alpha: float = 0.05) -> str:
    """In plain words: whether `other` is better than `one`, by how much, on how many rows.

    Args:
        p_value: of `found`, corrected where several were compared.
        alpha: chance of a false alarm that is accepted.
    """
    what = (
        f"of {found.rows:,} rows {len(found.fixed):,} are right in {other} alone and"
        f" {len(found.broken):,} in {one} alone"
    )
    if p_value >= alpha:
        return f"no clear difference between {one} and {other}: {what} (p = {p_value:.2g})"
    word = "better" if found.difference > 0 else "worse"
    points = abs(found.difference) * 100
    return f"{other} is {word} than {one} by {points:.1f} points: {what} (p = {p_value:.2g})"
