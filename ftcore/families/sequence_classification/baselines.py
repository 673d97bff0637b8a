"""The baselines of labels and numbers, answered in the form in which a bundle answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.families.sequence_classification.metrics import DENSE_LABELS
from ftcore_runtime.answers import LabelAnswer, LabelsAnswer, ValueAnswer


def label_baselines(
    problem: str, labels: Sequence[str], train: pa.Table, rows: pa.Table
) -> Mapping[str, Sequence[Any]]:
    """Name of each baseline -> its answers to `rows`.

    Args:
        problem: single_label, multi_label or regression.
        labels: in the order of the logits; empty for a regression.
        train, rows: of the family's schema.
    """
    from ftcore.families.baselines import majority, tfidf, tfidf_cosine, tfidf_labels

    references = train["label"].to_pylist()
    count = rows.num_rows
    if problem == "regression":
        mean = float(np.mean(references))
        found = {"always answering the mean": [ValueAnswer(mean)] * count}
        if not _has_pairs(train):
            return found
        sides = [(table["text"].to_pylist(), table["text_pair"].to_pylist()) for table in (train, rows)]
        values = tfidf_cosine(sides[0], references, sides[1])
        return {**found, "the cosine of TF-IDF": [ValueAnswer(value) for value in values]}
    learnt, texts = _texts(train), _texts(rows)
    if problem == "multi_label":
        frequent = _in_half_of_the_rows(references, labels)
        name = "always answering " + (", ".join(f"`{label}`" for label in frequent) or "no label")
        found_labels = tfidf_labels(learnt, references, labels, texts)
        return {
            name: [_several(frequent, labels)] * count,
            "TF-IDF": [_several(one, labels) for one in found_labels],
        }
    most = majority(references, count)
    return {
        f"always answering `{most[0]}`" if most else "always one answer": [_one(x, labels) for x in most],
        "TF-IDF": [_one(label, labels) for label in tfidf(learnt, references, texts)],
    }


def _texts(rows: pa.Table) -> list[str]:
    """The text of each row, with its pair where it has one."""
    if not _has_pairs(rows):
        texts: list[str] = rows["text"].to_pylist()
        return texts
    joined: list[str] = pc.binary_join_element_wise(rows["text"], rows["text_pair"], "\n").to_pylist()
    return joined


def _has_pairs(rows: pa.Table) -> bool:
    return bool(rows["text_pair"].null_count < rows.num_rows)


def _in_half_of_the_rows(references: Sequence[Sequence[str]], labels: Sequence[str]) -> list[str]:
    """The labels that are right more often than wrong."""
    return [label for label in labels if 2 * sum(label in one for one in references) > len(references)]


def _one(label: str, labels: Sequence[str]) -> LabelAnswer:
    return LabelAnswer(label, 1.0, _scores([label], labels))


def _several(held: Sequence[str], labels: Sequence[str]) -> LabelsAnswer:
    return LabelsAnswer(list(held), _scores(held, labels))


def _scores(held: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """1 of the labels that hold and 0 of the others, which are left out where there are many."""
    return {name: float(name in held) for name in (labels if len(labels) <= DENSE_LABELS else held)}
