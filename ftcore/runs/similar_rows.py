"""Training rows that a model takes for like a row: the nearest ones in the space that its head reads."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftcore.data.features import FeatureStore
from ftcore.families.reader import input_text
from ftcore.runs.workspace import Workspace
from ftcore.training.head_start import inputs_of, last_linear, mean_of_rows
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.vectors import unit

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
    texts = [tuple(one) if isinstance(one, list) else one for one in inputs]
    prepared = make_decoder(family.scoring.decoder).prepare(texts, workspace.encoder)
    vectors = []
    for features in (
        FeatureStore.prepared(prepared, family.model, workspace.encoder),
        workspace.features(split),
    ):
        read = inputs_of(layer, model, family.model, features)
        if read is None:
            return None
        vectors.append(unit(mean_of_rows(read, features.row)))
    asked, known = vectors
    cosines = asked @ known.T
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
