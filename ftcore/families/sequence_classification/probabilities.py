"""How far the probabilities of labels mean what they say, and how well they rank the labels of a row.

Log loss and Brier score are proper scores (Gneiting and Raftery 2007); the calibration error is over bins of equal mass
(Nguyen and O'Connor 2015): of the probability of the answer, or, of several labels, of each label's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.families.calibration import calibration_error, ranking_quality

Array = np.ndarray[Any, np.dtype[Any]]

OF_PROBABILITIES = ("log_loss", "brier", "ece")
_LEAST = 1e-15  # probability that a logarithm is taken of


class ProbabilityMeasures:
    """Log loss, Brier score, calibration error; area under the ROC curve and average precision.

    Args:
        probabilities: float64 [rows, labels].
        right: bool [rows, labels].
        several: whether each label has a probability of its own, or those of a row sum to 1.
    """

    def __init__(self, probabilities: Array, right: Array, *, several: bool) -> None:
        self._probabilities, self._right = probabilities, right
        own = np.clip(np.where(right, probabilities, 1 - probabilities), _LEAST, None)
        squares = (probabilities - right) ** 2
        if several:
            self._losses, self._squares = -np.log(own).mean(axis=1), squares.mean(axis=1)
            self._confidence, self._hits = probabilities, right
        else:
            self._losses, self._squares = -np.log(np.where(right, own, 1.0)).sum(axis=1), squares.sum(axis=1)
            best = probabilities.argmax(axis=1)[:, None]
            self._confidence = np.take_along_axis(probabilities, best, axis=1)
            self._hits = np.take_along_axis(right, best, axis=1)

    @classmethod
    def of(
        cls, references: Sequence[Any], scores: Sequence[Mapping[str, float]], labels: Sequence[str]
    ) -> ProbabilityMeasures | None:
        """Those of some answers; None where they do not say every label's probability, or say nothing but 0 and 1.

        Args:
            references: label names, or lists of them.
            scores: of each answer, label -> probability.
        """
        if not scores or any(len(one) < len(labels) for one in scores):
            return None
        probabilities = np.array([[one[label] for label in labels] for one in scores], dtype=np.float64)
        if ((probabilities == 0) | (probabilities == 1)).all():
            return None
        several = not isinstance(references[0], str)
        index = {name: column for column, name in enumerate(labels)}
        right = np.zeros(probabilities.shape, bool)
        for row, names in enumerate(references):
            right[row, [index[name] for name in (names if several else (names,))]] = True
        return cls(probabilities, right, several=several)

    def values(self, rows: Array) -> dict[str, float]:
        """Log loss, Brier score and calibration error of the rows at these indices."""
        return {
            "log_loss": float(self._losses[rows].mean()),
            "brier": float(self._squares[rows].mean()),
            "ece": calibration_error(self._confidence[rows].ravel(), self._hits[rows].ravel()),
        }

    def ranking(self) -> dict[str, float]:
        """Area under the ROC curve and average precision, of all rows.

        The mean over the labels that some rows have and others have not; nothing where there are none.
        """
        found = self._right.sum(axis=0)
        varied = np.flatnonzero((found > 0) & (found < len(self._right)))
        if not len(varied):
            return {}
        areas, precisions = [], []
        for label in varied:
            scores, right = self._probabilities[:, label], self._right[:, label]
            areas.append(ranking_quality(scores, right))
            precisions.append(_average_precision(scores, right))
        return {"auc": float(np.mean(areas)), "average_precision": float(np.mean(precisions))}


def _average_precision(scores: Array, right: Array) -> float:
    """Precision at each right row, the mean of them; rows of equal score count together."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    last = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    precision = hits[last] / (last + 1)
    return float((precision * np.diff(hits[last], prepend=0)).sum() / hits[-1])
