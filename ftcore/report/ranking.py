"""ROC and precision-recall curves of labels: what each threshold of a label's probability would give."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from ftcore.families.calibration import ranking_quality

Array = np.ndarray[Any, np.dtype[Any]]

#: Rows that curves are drawn of.
MOST_ROWS = 20_000
_POINTS = 200
_WORST = 2  # labels that are drawn on their own


@dataclass(frozen=True)
class RankingCurve:
    """One label, or all together, at each threshold from the highest to the lowest.

    Args:
        recall: share of the rows with the label that are given it, float [points].
        false_positives: share of the rows without it that are given it, float [points].
        precision: share of the rows given it that have it, float [points].
        area: under the ROC curve.
    """

    name: str
    recall: Array
    false_positives: Array
    precision: Array
    area: float


def ranking_curves(lines: Iterable[Mapping[str, Any]], labels: Sequence[str]) -> list[RankingCurve]:
    """All labels together, and the two with the smallest area; of two labels of one row the rarer one alone.

    Args:
        lines: of the predictions.
        labels: all of them.

    Returns:
        none where there are no labels, answers do not have the probability of each, or nothing varies.
    """
    if not labels:
        return []
    scores, right, several = _scores(lines, labels)
    if not len(scores):
        return []
    if len(labels) == 2 and not several:
        rarer = int(right.sum(axis=0).argmin())
        return _curves({labels[rarer]: (scores[:, rarer], right[:, rarer])})
    each = {name: (scores[:, column], right[:, column]) for column, name in enumerate(labels)}
    worst = sorted(_curves(each), key=lambda curve: curve.area)[:_WORST]
    return [*_curves({"all labels": (scores.ravel(), right.ravel())}), *worst]


def _scores(lines: Iterable[Mapping[str, Any]], labels: Sequence[str]) -> tuple[Array, Array, bool]:
    """Probabilities and which labels are right, both [rows, labels]; and whether a row may have several."""
    scores: list[list[float]] = []
    right: list[list[bool]] = []
    several = False
    for line in islice(lines, MOST_ROWS):
        given = line["answer"].get("scores") or {}
        if any(label not in given for label in labels):
            return np.empty((0, 0)), np.empty((0, 0)), False
        several |= isinstance(line["reference"], list)
        truth = set(line["reference"]) if isinstance(line["reference"], list) else {line["reference"]}
        scores.append([given[label] for label in labels])
        right.append([label in truth for label in labels])
    return np.array(scores), np.array(right, dtype=bool), several


def _curves(found: Mapping[str, tuple[Array, Array]]) -> list[RankingCurve]:
    return [_curve(name, *pair) for name, pair in found.items() if 0 < pair[1].sum() < len(pair[1])]


def _curve(name: str, scores: Array, right: Array) -> RankingCurve:
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))  # rows of equal score count together
    last = last[np.unique(np.linspace(0, len(last) - 1, _POINTS).astype(int))]
    taken, caught = last + 1, hits[last]
    return RankingCurve(
        name,
        np.append(0.0, caught / hits[-1]),
        np.append(0.0, (taken - caught) / (len(right) - hits[-1])),
        np.append(caught[0] / taken[0], caught / taken),
        ranking_quality(scores, right),
    )
