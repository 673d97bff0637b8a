"""Training rows that a model takes for like a row: the nearest ones in the space that its head reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftcore.families.reader import input_text
from ftcore.runs.workspace import Workspace
from ftcore.training.head_start import inputs_of, last_linear, read_texts

_NEAREST = 3


def similar_rows(workspace: Workspace, inputs: Sequence[Any]) -> list[list[dict[str, Any]]] | None:
    """The nearest training rows of each input, by the cosine of what the head's last layer reads.

    Args:
        inputs: as predictions files have them.

    Returns:
        of each row `row`, `text`, `reference` and `similarity`; None where there is no such layer, or it reads more
        than one representation a row.
    """
    model, family, split = workspace.fine_tuned(), workspace.family, workspace.splits.train
    layer = last_linear(model)
    if layer is None or not all(isinstance(one, (str, list)) for one in inputs):
        return None
    known = inputs_of(layer, model, family.model, workspace.features(split))
    texts = [tuple(one) if isinstance(one, list) else one for one in inputs]
    asked = read_texts(model, family.model, workspace.encoder, texts)
    if known is None or asked is None:
        return None
    cosines = _directions(asked) @ _directions(known).T
    rows, references = family.reader.inputs(split.table), family.reader.references(split.table)
    return [
        [
            {
                "row": split.locations[index].as_py(),
                "text": input_text(list(rows[index]) if isinstance(rows[index], tuple) else rows[index]),
                "reference": references[index],
                "similarity": float(row[index]),
            }
            for index in np.argsort(-row, kind="stable")[:_NEAREST].tolist()
        ]
        for row in cosines
    ]


def _directions(vectors: np.ndarray) -> np.ndarray:
    found: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return found
