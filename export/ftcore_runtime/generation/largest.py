"""The few largest of many scores, without a partition of them all where vocabularies are large."""

from __future__ import annotations

import numpy as np

from ftcore_runtime.generation.model import Floats, Ids

BLOCK = 64  # scores of which the largest is looked for first


def largest(scores: Floats, count: int) -> tuple[Floats, Ids]:
    """The `count` largest of each row, best first, and their indices, [rows, count]; equal ones in their order.

    Args:
        scores: float32 [rows, many].
    """
    if (columns := columns_of_largest(scores, count)) is None:
        return _of_all(scores, count)
    each, width = np.arange(len(scores))[:, None], scores.shape[1]
    among = np.where(columns < width, scores[each, np.minimum(columns, width - 1)], -np.inf)
    best, chosen = _of_all(among, count)
    return best, columns[each, chosen]


def columns_of_largest(scores: Floats, count: int) -> Ids | None:
    """Columns among which the `count` largest of each row are, in order, [rows, columns]; None where any might be.

    They are the blocks with the largest maxima. Columns beyond the last one may be among them.
    """
    if scores.shape[1] < 4 * count * BLOCK:
        return None
    most = np.maximum.reduceat(scores, np.arange(0, scores.shape[1], BLOCK), axis=1)
    least = np.partition(most, -count, axis=1)[:, -count, None]
    chosen = most >= least
    clear = np.count_nonzero(chosen, axis=1) == count  # no maxima are equal, and all are numbers
    if not (clear.all() and np.isfinite(least).all()):
        return None
    blocks = np.nonzero(chosen)[1].reshape(len(scores), count)
    return (blocks[:, :, None] * BLOCK + np.arange(BLOCK)).reshape(len(scores), -1)


def _of_all(scores: Floats, count: int) -> tuple[Floats, Ids]:
    each = np.arange(len(scores))[:, None]
    if count >= scores.shape[1]:
        indices = np.argsort(-scores, axis=1, kind="stable")[:, :count]
    else:
        indices = np.sort(np.argpartition(-scores, count - 1, axis=1)[:, :count], axis=1)
        order = np.argsort(-scores[each, indices], axis=1, kind="stable")
        indices = indices[each, order]
    best: Floats = scores[each, indices]
    return best, indices
