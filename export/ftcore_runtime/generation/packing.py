"""Answers of many rows as two arrays, which is how outputs travel between a model and its decoder."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.generation.running import Generated

#: Names of the arrays.
OUTPUTS = ("sequences", "scores")


def pack(generated: Sequence[Sequence[Generated]]) -> dict[str, NDArray[np.float32]]:
    """Answers as arrays: `sequences` [rows, answers, longest], ids with -inf beyond an answer's end, and `scores`.

    Ids are whole numbers below 2 ** 24, which float32 holds exactly; -inf is what fills arrays up everywhere.
    """
    count = max((len(row) for row in generated), default=0)
    width = max((len(one.ids) for row in generated for one in row), default=0)
    sequences = np.full((len(generated), count, width), -np.inf, np.float32)
    scores = np.full((len(generated), count), -np.inf, np.float32)
    for row, answers in enumerate(generated):
        for rank, one in enumerate(answers):
            sequences[row, rank, : len(one.ids)] = one.ids
            scores[row, rank] = one.score
    return {"sequences": sequences, "scores": scores}


def unpack(outputs: Mapping[str, np.ndarray]) -> list[list[Generated]]:
    """What `pack` packed."""
    sequences, scores = (outputs[name] for name in OUTPUTS)
    return [
        [
            Generated(ids[np.isfinite(ids)].astype(np.int64), float(score))
            for ids, score in zip(row, its, strict=True)
        ]
        for row, its in zip(sequences, scores, strict=True)
    ]
