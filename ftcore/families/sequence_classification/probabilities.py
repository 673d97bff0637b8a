"""How far the probabilities of labels mean what they say, and how well they rank the labels of a row.

Log loss and Brier score are proper scores (Gneiting and Raftery 2007); the calibration error is over bins of equal mass
(Nguyen and O'Connor 2015): of the probability of the answer, or, of several labels, of each label's own.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.families.calibration import gaps_of_bins, ranking_quality
from ftcore.families.sequence_classification.measures import Array, Measures

OF_PROBABILITIES = ("log_loss", "brier", "ece")
_LEAST = 1e-15  # probability that a logarithm is taken of


class ProbabilityMeasures(Measures):
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
            confidence, hits = probabilities, right
        else:
            self._losses, self._squares = -np.log(np.where(right, own, 1.0)).sum(axis=1), squares.sum(axis=1)
            best = probabilities.argmax(axis=1)[:, None]
            confidence, hits = (np.take_along_axis(of, best, axis=1) for of in (probabilities, right))
        # Sorted once: a resample in the order of its ranks is in that of its confidences.
        order = np.argsort(confidence, axis=None, kind="stable")
        self._gaps = (confidence - hits).ravel()[order]
        self._ranks = np.empty(order.size, np.int64)
        self._ranks[order] = np.arange(order.size)
        self._ranks = self._ranks.reshape(confidence.shape)

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

    @property
    def cells(self) -> int:
        """A confidence for each row, or for each label of each."""
        return int(self._ranks.size)

    def _of(self, samples: Array) -> dict[str, Array]:
        """Log loss, Brier score and calibration error."""
        ranks = np.sort(self._ranks[samples].reshape(len(samples), -1), axis=1)
        return {
            "log_loss": self._losses[samples].mean(1),
            "brier": self._squares[samples].mean(1),
            "ece": gaps_of_bins(self._gaps[ranks]),
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
