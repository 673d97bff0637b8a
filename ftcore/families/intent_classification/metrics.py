"""Metrics of intents and of their rejection, in a form that the bootstrap can afford."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.families.calibration import ranking_quality
from ftcore_runtime.decoders.intent_classification import IntentAnswer


class IntentMeasures:
    """The metrics of some rows.

    Args:
        references: the intent of each row, or `none`.
        labels: all intents.
        none: the label of rows that have no intent.
    """

    def __init__(
        self,
        references: Sequence[str],
        answers: Sequence[IntentAnswer],
        labels: Sequence[str],
        none: str,
    ) -> None:
        self.labels = list(labels)
        index = {label: place for place, label in enumerate(self.labels)} | {none: -1}
        self._true = np.array([index[label] for label in references], dtype=np.int64)
        self._best = np.array([index[answer.nearest[0]] for answer in answers], dtype=np.int64)
        self._kept = np.array([not answer.out_of_scope for answer in answers], dtype=bool)
        self._inside = np.array([answer.in_scope for answer in answers], dtype=float)
        self._some_outside = bool((self._true < 0).any())

    @property
    def right(self) -> np.ndarray:
        """Whether each row gets its intent, or is rejected if it has none, bool [rows]."""
        found: np.ndarray = np.where(self._kept, self._best, -1) == self._true
        return found

    def values(self, rows: np.ndarray) -> Mapping[str, float]:
        """Every metric of the rows at these indices; those of scope where any row at all is out of it."""
        true, best, kept = self._true[rows], self._best[rows], self._kept[rows]
        inside = true >= 0
        found = {
            "accuracy": _mean(self.right[rows]),
            "in_scope_accuracy": _mean((best == true)[inside] & kept[inside]),
            "closed_accuracy": _mean((best == true)[inside]),
            "f1_macro": float(np.mean([one["f1"] for one in self._table(rows) if one["support"]] or [0.0])),
        }
        if self._some_outside:
            found["oos_recall"] = _mean(~kept[~inside])
            found["oos_precision"] = _mean(~inside[~kept])
            found["oos_auroc"] = ranking_quality(self._inside[rows], inside)
        return found

    def details(self) -> dict[str, Any]:
        """A table of intents."""
        return {"classes": self._table(np.arange(len(self._true)))}

    def _table(self, rows: np.ndarray) -> list[dict[str, Any]]:
        true, answered = self._true[rows], np.where(self._kept, self._best, -1)[rows]
        count = len(self.labels)
        hits, support, given = (
            np.bincount(chosen[chosen >= 0], minlength=count)
            for chosen in (true[true == answered], true, answered)
        )
        return [
            {
                "label": label,
                "precision": hit / max(1, answers),
                "recall": hit / max(1, rows_of),
                "f1": 2 * hit / max(1, rows_of + answers),
                "support": rows_of,
            }
            for label, hit, rows_of, answers in zip(
                self.labels, hits.tolist(), support.tolist(), given.tolist(), strict=True
            )
        ]


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if len(values) else 0.0
