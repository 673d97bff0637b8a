"""Rows of a run other than its splits: all that may be trained on, and the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ftcore.data import Splits
from ftcore.data.splitting import fold_of
from ftcore.data.tables import Split
from ftcore.families.reader import Reader

#: The name of training and validation rows together, as metrics.json and messages have it.
BOTH = "train and validation"


class Trial(NamedTuple):
    """Rows to train on, and rows that the outcome is measured on."""

    train: Split
    held_out: Split


def trials(splits: Splits, reader: Reader[Any, Any], folds: int, seed: int) -> list[Trial]:
    """One trial on the splits as they are; or one for each of several folds of training and validation rows.

    Rows of one group stay in one fold, and label shares are the same in all. There are fewer folds where there are
    fewer groups.
    """
    if folds == 1:
        return [Trial(splits.train, splits.validation)]
    rows = both(splits)
    groups = reader.groups(rows.table).combine_chunks().dictionary_encode()
    folds = min(folds, len(groups.dictionary))
    if folds < 2:
        return [Trial(splits.train, splits.validation)]
    keys = groups.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    fold = fold_of(keys, reader.strata(rows.table), folds, seed)
    return [
        Trial(
            _taken(f"fold {number} of {folds}, train", rows, fold != number - 1),
            _taken(f"fold {number} of {folds}, held out", rows, fold == number - 1),
        )
        for number in range(1, folds + 1)
    ]


def both(splits: Splits) -> Split:
    """The rows of training, then those of validation."""
    return joined(BOTH, [splits.train, splits.validation])


def joined(name: str, parts: Sequence[Split]) -> Split:
    """The rows of some parts, one after another; a single part is itself."""
    if len(parts) == 1:
        return parts[0]
    locations = [chunk for part in parts for chunk in part.locations.chunks]
    kept = [chunk for part in parts if part.kept is not None for chunk in part.kept.chunks]
    return Split(
        name,
        pa.concat_tables([part.table for part in parts]),
        pa.chunked_array(locations, pa.string()),
        pa.chunked_array(kept, pa.string()) if parts[0].kept is not None else None,
    )


def _taken(name: str, rows: Split, kept: np.ndarray) -> Split:
    indices = pa.array(np.flatnonzero(kept))
    own = None if rows.kept is None else rows.kept.take(indices)
    return Split(name, rows.table.take(indices), rows.locations.take(indices), own)
