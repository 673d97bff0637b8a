"""Precision, recall and F1 of entities: strict, by label, and partial; any resample in microseconds.

Strict counts an entity whose characters and label are right, as CoNLL's script does (Tjong Kim Sang and De Meulder
2003). Partial leaves labels out, and gives half a point for one that overlaps (MUC-5; Chinchor and Sundheim 1993), as
nervaluate pairs them: each answer, in order, with the entity of the same characters, else with the first one left that
it overlaps.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from ftcore_runtime.spans import EntitiesAnswer

_Spans = Sequence[tuple[int, int, str]]


class Counts(NamedTuple):
    """Right answers (halves count), answers, and entities: arrays of one shape."""

    right: np.ndarray
    answered: np.ndarray
    there: np.ndarray

    def figures(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Precision, recall and F1; 0 where there is nothing to divide by."""
        pairs = (
            (self.right, self.answered),
            (self.right, self.there),
            (2 * self.right, self.answered + self.there),
        )
        precision, recall, f1 = (
            np.divide(top, bottom, out=np.zeros(np.shape(bottom)), where=bottom > 0) for top, bottom in pairs
        )
        return precision, recall, f1


class EntityMeasures:
    """The metrics of some texts.

    Args:
        references: the right entities of each text, as mappings of start, end and label.
        labels: all that there are.
    """

    def __init__(
        self,
        references: Sequence[Sequence[Mapping[str, Any]]],
        answers: Sequence[EntitiesAnswer],
        labels: Sequence[str],
    ) -> None:
        self.labels = list(labels)
        index = {label: place for place, label in enumerate(self.labels)}
        strict = np.zeros((3, len(references), len(self.labels)))
        self._partial = np.zeros(len(references))
        for row, (reference, answer) in enumerate(zip(references, answers, strict=True)):
            there = [(one["start"], one["end"], one["label"]) for one in reference]
            right = {*there}
            for mark in answer.marks:
                strict[0, row, index[mark[2]]] += mark in right
                strict[1, row, index[mark[2]]] += 1
            for _, _, label in there:
                strict[2, row, index[label]] += 1
            self._partial[row] = _partly_right(there, answer.marks)
        self._strict = Counts(*strict)

    @property
    def exact(self) -> np.ndarray:
        """Whether a text's entities are all right, and there is no other, bool [texts]."""
        right, answered, there = (column.sum(1) for column in self._strict)
        found: np.ndarray = (right == answered) & (right == there)
        return found

    def values(self, rows: np.ndarray) -> dict[str, float]:
        """Every metric of the texts at these indices."""
        by_label = Counts(*(column[rows].sum(0) for column in self._strict))
        whole = Counts(*(column.sum() for column in by_label))
        partial = whole._replace(right=self._partial[rows].sum())
        found: dict[str, float] = {}
        for kind, counts in (("", whole), ("_partial", partial)):
            figures = zip(("precision", "recall", "f1"), counts.figures(), strict=True)
            found |= {f"{name}{kind}": float(figure) for name, figure in figures}
        present = (by_label.answered + by_label.there) > 0
        f1 = by_label.figures()[2]
        found["f1_macro"] = float(f1[present].mean()) if present.any() else 0.0
        found["exact_match"] = float(self.exact[rows].mean()) if len(rows) else 0.0
        return found

    def details(self) -> dict[str, Any]:
        """A table of labels."""
        by_label = Counts(*(column.sum(0) for column in self._strict))
        columns = (figures.tolist() for figures in by_label.figures())
        return {
            "classes": [
                {"label": label, "precision": precision, "recall": recall, "f1": f1, "support": int(support)}
                for label, precision, recall, f1, support in zip(
                    self.labels, *columns, by_label.there, strict=True
                )
            ]
        }


def _partly_right(there: _Spans, answered: _Spans) -> float:
    """One for each answer with the characters of an entity, one half for each that overlaps one; labels are left out.

    Both are in order, and neither has spans that overlap, so entities that end before an answer begins are done with.
    """
    points, left, done = 0.0, [True] * len(there), 0
    for start, end, _ in answered:
        while done < len(there) and there[done][1] <= start:
            done += 1
        near = []
        for place in range(done, len(there)):
            if there[place][0] >= end:
                break
            if left[place]:
                near.append(place)
        if near:
            same = [place for place in near if there[place][:2] == (start, end)]
            left[(same or near)[0]] = False
            points += 1.0 if same else 0.5
    return points
