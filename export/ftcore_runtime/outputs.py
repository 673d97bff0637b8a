"""Outputs of batches to outputs of all features: padding taken out, order restored. Evaluation does it here too."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.encoding import Side, filled


def join_batches(
    batches: Sequence[np.ndarray], lengths: NDArray[np.int64] | None = None, side: Side = "right"
) -> np.ndarray:
    """One output of several batches as one array, [features, ...], in the order of the batches.

    Args:
        lengths: int64 [features]: tokens of each feature, where the second axis is that of the tokens. What belongs
            to padding becomes -inf, at the right whichever `side` was filled.
    """
    if lengths is None:
        return np.concatenate(batches)
    width = int(lengths.max(initial=0))
    whole = np.full((len(lengths), width, *batches[0].shape[2:]), -np.inf, batches[0].dtype)
    start = 0
    for batch in batches:
        part = slice(start, start + len(batch))
        whole[part][filled(lengths[part], width)] = batch[filled(lengths[part], batch.shape[1], side)]
        start += len(batch)
    return whole


def restore_order(rows: np.ndarray, order: NDArray[np.int64]) -> np.ndarray:
    """Undo a sort: row i of `rows` becomes row `order[i]`."""
    restored = np.empty_like(rows)
    restored[order] = rows
    return restored
