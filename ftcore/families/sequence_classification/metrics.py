"""Metrics of labels and numbers, in a form that the bootstrap can afford: any resample in microseconds.

Definitions are scikit-learn's (the tests hold them against it). Single-label metrics come from a confusion matrix,
whose rows are references and columns answers; a class with no support or no answers counts as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]


def _ratio(numerator: Array | float, denominator: Array | float) -> Array:
    """numerator / denominator, and 0 where the denominator is 0."""
    numerator, denominator = np.asarray(numerator, dtype=float), np.asarray(denominator, dtype=float)
    return np.divide(numerator, denominator, out=np.zeros_like(denominator), where=denominator != 0)


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
        pairs = [index[r] * len(labels) + index[a] for r, a in zip(references, answers, strict=True)]
        self._cells = np.asarray(pairs, dtype=np.int64)

    def confusion(self, rows: Array) -> Array:
        """Counts, int64 [labels, labels], of the rows at these indices."""
        n = len(self.labels)
        return np.bincount(self._cells[rows], minlength=n * n).reshape(n, n)

    def values(self, rows: Array) -> Mapping[str, float]:
        """Every metric of the rows at these indices."""
        matrix = self.confusion(rows).astype(float)
        total, hits = matrix.sum(), np.diag(matrix)
        support, answered = matrix.sum(1), matrix.sum(0)
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        f1 = _f1(precision, recall)
        present = (support + answered) > 0
        accuracy = float(_ratio(hits.sum(), total))
        found = {"accuracy": accuracy}
        for name, by_class in (("precision", precision), ("recall", recall), ("f1", f1)):
            found[f"{name}_macro"] = float(by_class[present].mean()) if present.any() else 0.0
            found[f"{name}_micro"] = accuracy  # one answer a row: every micro average is the accuracy
            found[f"{name}_weighted"] = float(_ratio((by_class * support).sum(), total))
        covariance = total * hits.sum() - (support * answered).sum()
        spread = (total**2 - (support**2).sum()) * (total**2 - (answered**2).sum())
        found["mcc"] = float(_ratio(covariance, np.sqrt(spread)))
        if self.ordered:
            rank = np.arange(len(self.labels))
            distance = np.abs(rank[:, None] - rank[None, :])
            expected = np.outer(support, answered) / max(total, 1)
            disagreement = _ratio((matrix * distance**2).sum(), (expected * distance**2).sum())
            found["kappa_quadratic"] = float(1 - disagreement)
            found["mae"] = float(_ratio((matrix * distance).sum(), total))
        return found

    def details(self) -> dict[str, Any]:
        """The confusion matrix and a table of classes."""
        matrix = self.confusion(np.arange(len(self._cells)))
        hits, support, answered = np.diag(matrix), matrix.sum(1), matrix.sum(0)
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        return {
            "labels": self.labels,
            "confusion": matrix.tolist(),
            "classes": _class_table(self.labels, precision, recall, support),
        }


class MultiLabelMeasures:
    """Exact match, Hamming loss, precision, recall and F1 (macro, micro, weighted), mean MCC over labels."""

    def __init__(
        self, references: Sequence[Sequence[str]], answers: Sequence[Sequence[str]], labels: Sequence[str]
    ) -> None:
        self.labels = list(labels)
        self._true, self._said = self._hot(references), self._hot(answers)

    def _hot(self, names: Sequence[Sequence[str]]) -> Array:
        index = {name: i for i, name in enumerate(self.labels)}
        hot = np.zeros((len(names), len(self.labels)), dtype=bool)
        for row, given in enumerate(names):
            hot[row, [index[name] for name in given]] = True
        return hot

    def values(self, rows: Array) -> Mapping[str, float]:
        """Every metric of the rows at these indices. `accuracy` is the exact match of the whole set."""
        true, said = self._true[rows], self._said[rows]
        hits, support, answered = (true & said).sum(0), true.sum(0), said.sum(0)
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        micro_precision, micro_recall = _ratio(hits.sum(), answered.sum()), _ratio(hits.sum(), support.sum())
        found = {
            "accuracy": float((true == said).all(1).mean()),
            "hamming_loss": float((true != said).mean()),
            "precision_micro": float(micro_precision),
            "recall_micro": float(micro_recall),
            "f1_micro": float(_f1(micro_precision, micro_recall)),
        }
        for name, by_class in (("precision", precision), ("recall", recall), ("f1", _f1(precision, recall))):
            found[f"{name}_macro"] = float(by_class.mean())
            found[f"{name}_weighted"] = float(_ratio((by_class * support).sum(), support.sum()))
        n = len(rows)
        spread = support * (n - support) * answered * (n - answered)
        found["mcc"] = float(_ratio(n * hits - support * answered, np.sqrt(spread.astype(float))).mean())
        return found

    def details(self) -> dict[str, Any]:
        """A table of classes."""
        hits, support, answered = (self._true & self._said).sum(0), self._true.sum(0), self._said.sum(0)
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        return {"labels": self.labels, "classes": _class_table(self.labels, precision, recall, support)}


class RegressionMeasures:
    """Mean squared and absolute error, R2, Pearson and Spearman correlation."""

    def __init__(self, references: Sequence[float], answers: Sequence[float]) -> None:
        self._true, self._said = np.asarray(references, dtype=float), np.asarray(answers, dtype=float)

    def values(self, rows: Array) -> Mapping[str, float]:
        """Every metric of the rows at these indices."""
        from scipy.stats import rankdata

        true, said = self._true[rows], self._said[rows]
        error = said - true
        mse = float((error**2).mean())
        return {
            "mse": mse,
            "mae": float(np.abs(error).mean()),
            "r2": float(1 - _ratio(mse, true.var())) if true.var() else 0.0,
            "pearson": _correlation(true, said),
            "spearman": _correlation(rankdata(true), rankdata(said)),
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
