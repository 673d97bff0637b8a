"""Metrics of labels and numbers, in a form that the bootstrap can afford: thousands of resamples at once.

Definitions are scikit-learn's (the tests compare them with it). A class with no support or no answers counts as 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftcore.families.sequence_classification.measures import Array, Measures

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


def _f1(precision: Array, recall: Array) -> Array:
    return _ratio(2 * precision * recall, precision + recall)


class SingleLabelMeasures(Measures):
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

    @property
    def cells(self) -> int:
        """One a label."""
        return len(self.labels)

    def _counts(self, samples: Array) -> tuple[Array, Array, Array]:
        """Hits, references and answers of each label, int64 [resamples, labels]; never a whole matrix."""
        n = len(self.labels)
        shift = n * np.arange(len(samples))[:, None]
        true, answered = self._true[samples] + shift, self._answered[samples] + shift

        def count(found: Array) -> Array:
            return np.bincount(found.ravel(), minlength=n * len(samples)).reshape(-1, n)

        return count(true[true == answered]), count(true), count(answered)

    def _of(self, samples: Array) -> dict[str, Array]:
        hits, support, answered = (counts.astype(float) for counts in self._counts(samples))
        total = float(samples.shape[1])
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        classes = np.count_nonzero(support + answered, axis=1)
        accuracy = _ratio(hits.sum(1), np.full(len(samples), total))
        found = {"accuracy": accuracy}
        for name, by_class in (("precision", precision), ("recall", recall), ("f1", _f1(precision, recall))):
            found[f"{name}_macro"] = _ratio(by_class.sum(1), classes)  # 0 in a class that is not there
            found[f"{name}_micro"] = accuracy  # one answer a row: every micro average is the accuracy
            found[f"{name}_weighted"] = (by_class * support).sum(1) / max(total, 1)
        covariance = total * hits.sum(1) - (support * answered).sum(1)
        spread = (total**2 - (support**2).sum(1)) * (total**2 - (answered**2).sum(1))
        found["mcc"] = _ratio(covariance, np.sqrt(spread))
        if self.ordered:
            distance = (self._true[samples] - self._answered[samples]).astype(float)
            rank = np.arange(len(self.labels), dtype=float)
            # The sum over all pairs of labels of (i - j)^2 support[i] answered[j], multiplied out.
            expected = (
                (support @ rank**2) * answered.sum(1)
                + support.sum(1) * (answered @ rank**2)
                - 2 * (support @ rank) * (answered @ rank)
            ) / max(total, 1)
            found["kappa_quadratic"] = 1 - _ratio((distance**2).sum(1), expected)
            found["mae"] = np.abs(distance).sum(1) / max(total, 1)
        return found

    def details(self) -> dict[str, Any]:
        """A table of classes, the most frequent confusions, and the confusion matrix: whole where it is small, else its
        cells that are not 0.
        """
        hits, support, answered = (counts[0] for counts in self._counts(np.arange(len(self._true))[None]))
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


class MultiLabelMeasures(Measures):
    """Exact match, Hamming loss, precision, recall and F1 (macro, micro, weighted), mean MCC over labels."""

    def __init__(
        self, references: Sequence[Sequence[str]], answers: Sequence[Sequence[str]], labels: Sequence[str]
    ) -> None:
        self.labels = list(labels)
        true, answered = self._hot(references), self._hot(answers)
        #: Hits, references and answers, sparse [rows, labels].
        self._kinds = true.multiply(answered).tocsr(), true, answered
        self._wrong = abs(true - answered).sum(axis=1)

    def _hot(self, names: Sequence[Sequence[str]]) -> Any:  # noqa: ANN401 (scipy has no types)
        from scipy.sparse import csr_array

        index = {name: i for i, name in enumerate(self.labels)}
        found = [sorted({index[name] for name in given}) for given in names]
        columns = np.array([column for row in found for column in row], np.int64)
        ends = np.cumsum([0, *map(len, found)])
        return csr_array((np.ones(len(columns)), columns, ends), shape=(len(names), len(self.labels)))

    @property
    def cells(self) -> int:
        """One a label."""
        return len(self.labels)

    def _of(self, samples: Array) -> dict[str, Array]:
        """`accuracy` is the exact match of the whole set."""
        times = _times(samples, len(self._wrong))
        hits, support, answered = (times @ kind for kind in self._kinds)
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        micro_precision, micro_recall = (
            _ratio(hits.sum(1), answered.sum(1)),
            _ratio(hits.sum(1), support.sum(1)),
        )
        n = samples.shape[1]
        found = {
            "accuracy": times @ (self._wrong == 0) / n,
            "hamming_loss": times @ self._wrong / (n * len(self.labels)),
            "precision_micro": micro_precision,
            "recall_micro": micro_recall,
            "f1_micro": _f1(micro_precision, micro_recall),
        }
        for name, by_class in (("precision", precision), ("recall", recall), ("f1", _f1(precision, recall))):
            found[f"{name}_macro"] = by_class.mean(1)
            found[f"{name}_weighted"] = _ratio((by_class * support).sum(1), support.sum(1))
        spread = support * (n - support) * answered * (n - answered)
        found["mcc"] = _ratio(n * hits - support * answered, np.sqrt(spread)).mean(1)
        return found

    def details(self) -> dict[str, Any]:
        """A table of classes."""
        hits, support, answered = (kind.sum(axis=0) for kind in self._kinds)
        precision, recall = _ratio(hits, answered), _ratio(hits, support)
        return {"labels": self.labels, "classes": _class_table(self.labels, precision, recall, support)}


class RegressionMeasures(Measures):
    """Mean squared and absolute error, R2, Pearson and Spearman correlation."""

    def __init__(self, references: Sequence[float], answers: Sequence[float]) -> None:
        self._true, self._answered = np.asarray(references, dtype=float), np.asarray(answers, dtype=float)

    def _of(self, samples: Array) -> dict[str, Array]:
        from scipy.stats import rankdata

        true, predicted = self._true[samples], self._answered[samples]
        error, variance = predicted - true, true.var(1)
        mse = (error**2).mean(1)
        return {
            "mse": mse,
            "mae": np.abs(error).mean(1),
            "r2": np.where(variance > 0, 1 - _ratio(mse, variance), 0.0),
            "pearson": _correlation(true, predicted),
            "spearman": _correlation(rankdata(true, axis=1), rankdata(predicted, axis=1)),
        }

    def details(self) -> dict[str, Any]:
        """Nothing that does not fit in a number."""
        return {}


def _times(samples: Array, rows: int) -> Array:
    """How often each row is in a resample, float64 [resamples, rows]: a product with it adds up what rows have."""
    shift = rows * np.arange(len(samples))[:, None]
    return (
        np.bincount((samples + shift).ravel(), minlength=rows * len(samples)).reshape(-1, rows).astype(float)
    )


def _correlation(a: Array, b: Array) -> Array:
    """Of each row of two, float64 [resamples, rows]."""
    a, b = a - a.mean(1, keepdims=True), b - b.mean(1, keepdims=True)
    return _ratio((a * b).sum(1), np.sqrt((a**2).sum(1) * (b**2).sum(1)))


def _class_table(
    labels: Sequence[str], precision: Array, recall: Array, support: Array
) -> list[dict[str, Any]]:
    f1 = _f1(precision, recall)
    return [
        {"label": label, "precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for label, p, r, f, s in zip(labels, precision, recall, f1, support, strict=True)
    ]
