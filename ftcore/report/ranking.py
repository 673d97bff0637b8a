"""ROC and precision-recall curves of labels: what each threshold of a label's probability would give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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


class LabelScores:
    """The probability of each label and whether it is right, of the first rows that are added.

    Args:
        labels: all of them.
    """

    def __init__(self, labels: Sequence[str]) -> None:
        self._labels = labels
        self._scores: list[list[float]] = []
        self._right: list[list[bool]] = []
        self._several = False
        self._complete = bool(labels)

    def add(self, line: Mapping[str, Any]) -> None:
        """Take a line of the predictions."""
        if not self._complete or len(self._scores) == MOST_ROWS:
            return
        given, reference = line["answer"].get("scores") or {}, line["reference"]
        if any(label not in given for label in self._labels):
            self._complete = False
            return
        self._several |= isinstance(reference, list)
        truth = set(reference) if isinstance(reference, list) else {reference}
        self._scores.append([given[label] for label in self._labels])
        self._right.append([label in truth for label in self._labels])

    def curves(self) -> list[RankingCurve]:
        """All labels together, and the two with the smallest area; of two labels of one row the rarer one alone.

        Returns:
            none where there are no labels, answers do not have the probability of each, or nothing varies.
        """
        if not self._complete or not self._scores:
            return []
        scores, right = np.array(self._scores), np.array(self._right, dtype=bool)
        if len(self._labels) == 2 and not self._several:
            rarer = int(right.sum(axis=0).argmin())
            return _curves({self._labels[rarer]: (scores[:, rarer], right[:, rarer])})
        each = {name: (scores[:, column], right[:, column]) for column, name in enumerate(self._labels)}
        worst = sorted(_curves(each), key=lambda curve: curve.area)[:_WORST]
        return [*_curves({"all labels": (scores.ravel(), right.ravel())}), *worst]


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
