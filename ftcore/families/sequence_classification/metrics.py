"""Metrics of labels and numbers, in a form that the bootstrap can afford: any resample in microseconds.

Definitions are scikit-learn's (the tests hold them against it). Single-label metrics come from a confusion matrix,
whose rows are references and columns answers; a class with no support or no answers counts as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


#: Labels up to which a confusion matrix is written out; it grows with their square.
DENSE_LABELS = 100
#: Pairs of labels that are named as the most frequent confusions.
MOST_CONFUSIONS = 20
#: Key of the details of more labels: the matrix's cells that are not 0, which are written to a file of their own.
CELLS = "confusion_cells"


def _ratio(numerator: Array | float, denominator: Array | float) -> Array:
    """numerator / denominator, and 0 where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    found: Array = np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)
    return found


def _share(part: float, whole: float) -> float:
    """The same of two numbers, at a tenth of the cost: the bootstrap takes many."""
    return float(part / whole) if whole else 0.0


def _f1(precision: Array, recall: Array) -> Array:
    return _ratio(2 * precision * recall, precision + recall)


class SingleLabelMeasures:
    """Accuracy, precision, recall and F1 (macro, micro, weighted), MCC; kappa and error of ordered labels."""

    def __init__(
        self, references: Sequence[str], answers: Sequence[str], labels: Sequence[str], *, ordered: bool
    ) -> None:
        index = {name: i for i, name in enumerate(labels)}
        self.labels = list(labels)
        self.ordered = ordered
        self._true = np.fromiter((index[name] for name in references), np.int64, len(references))
        self._answered = np.fromiter((index[name] for name in answers), np.int64, len(answers))
        if len(self._true) != len(self._answered):
            raise ValueError("as many references as answers are needed")

    def _counts(self, rows: Array) -> tuple[Array, Array, Array]:
        """Hits, references and answers of each label among these rows, int64 [labels]; never a whole matrix."""
        n = len(self.labels)
        true, answered = self._true[rows], self._answered[rows]
        hits = np.bincount(true[true == answered], minlength=n)
        return hits, np.bincount(true, minlength=n), np.bincount(answered, minlength=n)

    def values(self, rows: Array) -> Mapping[str, float]:
        """Every metric of the rows at these indices."""
        hits, support, answered = (counts.astype(float) for counts in self._counts(rows))
        total = float(len(rows))
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        f1 = _f1(precision, recall)
        present = (support + answered) > 0
        classes = float(np.count_nonzero(present))
        accuracy = _share(hits.sum(), total)
        found = {"accuracy": accuracy}
        for name, by_class in (("precision", precision), ("recall", recall), ("f1", f1)):
            found[f"{name}_macro"] = _share(by_class[present].sum(), classes)
            found[f"{name}_micro"] = accuracy  # one answer a row: every micro average is the accuracy
            found[f"{name}_weighted"] = _share((by_class * support).sum(), total)
        covariance = total * hits.sum() - (support * answered).sum()
        spread = (total**2 - (support**2).sum()) * (total**2 - (answered**2).sum())
        found["mcc"] = _share(covariance, np.sqrt(spread))
        if self.ordered:
            distance = (self._true[rows] - self._answered[rows]).astype(float)
            rank = np.arange(len(self.labels), dtype=float)
            # The sum over all pairs of labels of (i - j)^2 support[i] answered[j], multiplied out.
            expected = (
                (support * rank**2).sum() * answered.sum()
                + support.sum() * (answered * rank**2).sum()
                - 2 * (support * rank).sum() * (answered * rank).sum()
            ) / max(total, 1)
            found["kappa_quadratic"] = 1 - _share((distance**2).sum(), expected)
            found["mae"] = _share(np.abs(distance).sum(), total)
        return found

    def details(self) -> dict[str, Any]:
        """A table of classes, the most frequent confusions, and the confusion matrix: whole where it is small, else its
        cells that are not 0.
        """
        hits, support, answered = self._counts(np.arange(len(self._true)))
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        n = len(self.labels)
        found = {"labels": self.labels, "classes": _class_table(self.labels, precision, recall, support)}
        cells, counts = np.unique(self._true * n + self._answered, return_counts=True)
        found["confusions"] = self._most_frequent(cells, counts)
        if n <= DENSE_LABELS:
            matrix = np.zeros(n * n, np.int64)
            matrix[cells] = counts
            found["confusion"] = matrix.reshape(n, n).tolist()
        else:
            found[CELLS] = [
                {"reference": self.labels[cell // n], "answer": self.labels[cell % n], "count": count}
                for cell, count in zip(cells.tolist(), counts.tolist(), strict=True)
            ]
        return found

    def _most_frequent(self, cells: Array, counts: Array) -> list[dict[str, Any]]:
        """The wrong cells with the most rows, at most `MOST_CONFUSIONS`."""
        n = len(self.labels)
        wrong = np.flatnonzero(cells // n != cells % n)
        worst = wrong[np.argsort(-counts[wrong], kind="stable")][:MOST_CONFUSIONS]
        return [
            {"reference": self.labels[cell // n], "answer": self.labels[cell % n], "rows": count}
            for cell, count in zip(cells[worst].tolist(), counts[worst].tolist(), strict=True)
        ]


class MultiLabelMeasures:
    """Exact match, Hamming loss, precision, recall and F1 (macro, micro, weighted), mean MCC over labels."""

    def __init__(
        self, references: Sequence[Sequence[str]], answers: Sequence[Sequence[str]], labels: Sequence[str]
    ) -> None:
        self.labels = list(labels)
        self._true, self._answered = self._hot(references), self._hot(answers)

    def _hot(self, names: Sequence[Sequence[str]]) -> Array:
        index = {name: i for i, name in enumerate(self.labels)}
        hot = np.zeros((len(names), len(self.labels)), dtype=bool)
        for row, given in enumerate(names):
            hot[row, [index[name] for name in given]] = True
        return hot

    def values(self, rows: Array) -> Mapping[str, float]:
        """Every metric of the rows at these indices. `accuracy` is the exact match of the whole set."""
        true, predicted = self._true[rows], self._answered[rows]
        hits, support, answered = (true & predicted).sum(0), true.sum(0), predicted.sum(0)
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        micro_precision, micro_recall = _share(hits.sum(), answered.sum()), _share(hits.sum(), support.sum())
        found = {
            "accuracy": float((true == predicted).all(1).mean()),
            "hamming_loss": float((true != predicted).mean()),
            "precision_micro": micro_precision,
            "recall_micro": micro_recall,
            "f1_micro": _share(2 * micro_precision * micro_recall, micro_precision + micro_recall),
        }
        for name, by_class in (("precision", precision), ("recall", recall), ("f1", _f1(precision, recall))):
            found[f"{name}_macro"] = float(by_class.mean())
            found[f"{name}_weighted"] = _share((by_class * support).sum(), support.sum())
        n = len(rows)
        spread = support * (n - support) * answered * (n - answered)
        found["mcc"] = float(_ratio(n * hits - support * answered, np.sqrt(spread.astype(float))).mean())
        return found

    def details(self) -> dict[str, Any]:
        """A table of classes."""
        hits, support, answered = (
            (self._true & self._answered).sum(0),
            self._true.sum(0),
            self._answered.sum(0),
        )
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        return {"labels": self.labels, "classes": _class_table(self.labels, precision, recall, support)}


class RegressionMeasures:
    """Mean squared and absolute error, R2, Pearson and Spearman correlation."""

    def __init__(self, references: Sequence[float], answers: Sequence[float]) -> None:
        self._true, self._answered = np.asarray(references, dtype=float), np.asarray(answers, dtype=float)

    def values(self, rows: Array) -> Mapping[str, float]:
        """Every metric of the rows at these indices."""
        from scipy.stats import rankdata

        true, predicted = self._true[rows], self._answered[rows]
        error = predicted - true
        mse = float((error**2).mean())
        return {
            "mse": mse,
            "mae": float(np.abs(error).mean()),
            "r2": float(1 - _ratio(mse, true.var())) if true.var() else 0.0,
            "pearson": _correlation(true, predicted),
            "spearman": _correlation(rankdata(true), rankdata(predicted)),
        }

    def details(self) -> dict[str, Any]:
        """Nothing that does not fit in a number."""
        return {}


def _correlation(a: Array, b: Array) -> float:
    a, b = a - a.mean(), b - b.mean()
    return float(_ratio((a * b).sum(), np.sqrt((a**2).sum() * (b**2).sum())))


def _class_table(
    labels: Sequence[str], precision: Array, recall: Array, support: Array
) -> list[dict[str, Any]]:
    f1 = _f1(precision, recall)
    return [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for label, p, r, f, s in zip(labels, precision, recall, f1, support, strict=True)
    ]
