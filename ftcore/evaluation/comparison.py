"""Two models on the same rows: what one gets right that the other does not, and whether chance explains it."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
#: A line of predictions.*.jsonl.
Line: TypeAlias = Mapping[str, Any]

_RESAMPLES = 10_000


@dataclass(frozen=True)
class Paired:
    """Right and wrong answers of two models to the same rows.

    Args:
        rows: how many.
        fixed: indices of rows that the second gets right and the first does not, int64.
        broken: indices of rows that the first gets right and the second does not, int64.
        p_value: of McNemar's exact test (1947): how often chance alone makes a difference at least as large.
        low, high: 95 % of the difference, by the paired bootstrap: rows are drawn again with both answers to them.
    """

    rows: int
    fixed: Array
    broken: Array
    p_value: float
    low: float = 0.0
    high: float = 0.0

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
    low, high = _bootstrap(len(first), len(fixed), len(broken))
    return Paired(len(first), fixed, broken, p_value, low, high)


def _bootstrap(rows: int, fixed: int, broken: int) -> tuple[float, float]:
    """Percentiles of the difference: a resample of the rows has so many of each of the three kinds."""
    if not rows:
        return 0.0, 0.0
    shares = np.array([fixed, broken, rows - fixed - broken]) / rows
    drawn = np.random.default_rng(0).multinomial(rows, shares, size=_RESAMPLES)
    low, high = np.percentile((drawn[:, 0] - drawn[:, 1]) / rows, [2.5, 97.5])
    return float(low), float(high)


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
    low, high = sorted(abs(bound) * 100 for bound in (found.low, found.high))
    interval = f"[{low:.1f}, {high:.1f}]"
    return f"{other} is {word} than {one} by {points:.1f} points {interval}: {what} (p = {p_value:.2g})"


@dataclass(frozen=True)
class Compared:
    """Answers to the same rows, of something and of the first of all.

    Args:
        first, second: what they are called.
        found: of the two.
        p_value: of `found`, corrected for how many are compared with the first.
        fixed, broken: lines of predictions of both (the first's, the second's) for the rows of `found`.
    """

    first: str
    second: str
    found: Paired
    p_value: float
    fixed: Sequence[tuple[Line, Line]]
    broken: Sequence[tuple[Line, Line]]

    @property
    def sentence(self) -> str:
        """In plain words."""
        return sentence(self.first, self.second, self.found, self.p_value)

    def to_json(self) -> dict[str, Any]:
        """Without what was answered."""
        return {
            "first": self.first,
            "second": self.second,
            "rows": self.found.rows,
            "difference": self.found.difference,
            "low": self.found.low,
            "high": self.found.high,
            "p_value": self.p_value,
            "fixed": [line["input"] for line, _ in self.fixed],
            "broken": [line["input"] for line, _ in self.broken],
        }


def compare(names: Sequence[str], answered: Sequence[Iterable[Line]]) -> tuple[list[Compared], int]:
    """Compare each with the first, on the rows (input and reference) that all have; equal rows count each.

    Args:
        names: what they are called.
        answered: lines of predictions of each, all of which say whether they are `correct`.

    Returns:
        the comparisons, and how many rows are not in all; no comparisons where no row is.
    """
    by_row = [_by_row(lines) for lines in answered]
    keys = [key for key in by_row[0] if all(key in other for other in by_row)]
    left_out = max(map(len, by_row)) - len(keys)
    if not keys:
        return [], left_out
    lines = [[one[key] for key in keys] for one in by_row]
    right = [np.asarray([line["correct"] for line in one], dtype=bool) for one in lines]
    found = [paired(right[0], other) for other in right[1:]]
    p_values = holm([one.p_value for one in found])

    def both(indices: Array, other: int) -> list[tuple[Line, Line]]:
        return [(lines[0][i], lines[other][i]) for i in indices]

    made = [
        Compared(names[0], names[i], one, p_value, both(one.fixed, i), both(one.broken, i))
        for i, (one, p_value) in enumerate(zip(found, p_values, strict=True), 1)
    ]
    return made, left_out


def _by_row(lines: Iterable[Line]) -> dict[tuple[str, str, int], Line]:
    """Input and reference, as JSON, and how many equal rows came before -> line."""
    seen: Counter[tuple[str, str]] = Counter()
    found = {}
    for line in lines:
        row = json.dumps(line["input"]), json.dumps(line["reference"])
        found[*row, seen[row]] = line
        seen[row] += 1
    return found
