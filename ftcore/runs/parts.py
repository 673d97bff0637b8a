"""Rows of a run other than its splits: all that may be trained on, and the folds of a cross-validation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from ftcore.data import Splits
from ftcore.data.load import Report, fit_splits
from ftcore.data.splitting import Memberships, fold_of, hold_out, rows_requested
from ftcore.data.tables import Split
from ftcore.errors import DataError, UserError
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
    keys = _keys(reader, rows)
    folds = min(folds, len(np.unique(keys)))
    if folds < 2:
        return [Trial(splits.train, splits.validation)]
    fold = fold_of(keys, reader.strata(rows.table), folds, seed)
    return [
        Trial(
            _taken(f"fold {number} of {folds}, train", rows, fold != number - 1),
            _taken(f"fold {number} of {folds}, held out", rows, fold == number - 1),
        )
        for number in range(1, folds + 1)
    ]


def as_fold(splits: Splits, reader: Reader[Any, Any], number: int, folds: int) -> Splits:
    """The splits of one fold of a cross-validation: its rows are those of test, the others train and validate.

    It cuts up all rows but those that a file of their own holds out. Rows of one group stay together, label shares are
    equal. Validation rows are held out of the other folds as `data.split` says, or are those of their file.

    Args:
        number: from 1 to `folds`.

    Raises:
        DataError: too few rows or groups, or a label that the rows to train on lack.
    """
    data = reader.spec.data
    own = [splits.train]
    own += [splits.validation] if data.validation is None else []
    own += [splits.test] if data.test is None else []
    rows = joined("all rows", own)
    keys, strata = _keys(reader, rows), reader.strata(rows.table) if data.split.stratify else None
    if len(np.unique(keys)) < folds:
        what = f"there are {len(np.unique(keys)):,} different {reader.grouped_by[0]} for {folds} folds"
        raise DataError(what, where="data.cross_validation")
    fold = fold_of(keys, strata, folds, data.split.seed)
    test = _taken("test", rows, fold == number - 1)
    train, validation = _taken("train", rows, fold != number - 1), splits.validation
    if data.validation is None:
        size = rows_requested(data.split.validation, train.table.num_rows, "validation")
        pairs = reader.memberships(train.table)
        members = None if pairs is None else Memberships(*pairs)
        classes = reader.strata(train.table) if data.split.stratify else None
        groups = np.unique(_keys(reader, train), return_inverse=True)[1]
        made = hold_out(groups, classes, {"validation": size}, data.split.seed, members, *reader.grouped_by)
        chosen = np.isin(np.arange(len(groups)), made.train)
        train, validation = _taken("train", train, chosen), _taken("validation", train, ~chosen)
    parts = (train, validation, test)
    fitted = fit_splits(reader, parts, f"fold {number} of {folds}")
    report = Report(rows={split.name: split.table.num_rows for split in parts})
    return Splits(f"{splits.key}-{number}-of-{folds}", *parts, splits.fingerprints, report, fitted)


def check_folds(splits: Splits, reader: Reader[Any, Any], folds: int) -> None:
    """Refuse before any training what would fail in a later fold.

    Raises:
        UserError: the rows cannot be cut into so many folds.
    """
    for number in range(1, folds + 1):
        try:
            as_fold(splits, reader, number, folds)
        except UserError as error:
            raise UserError(
                f"fold {number} of {folds} cannot be made: {error.what}",
                where="data.cross_validation",
                hint="ask for fewer folds, or for none",
            ) from error


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


def spaced(rows: Split, most: int) -> Split:
    """Evenly spaced rows, `most` of them where there are more."""
    count = rows.table.num_rows
    if count <= most:
        return rows
    kept = np.zeros(count, bool)
    kept[np.linspace(0, count - 1, most).round().astype(np.int64)] = True
    return _taken(f"{rows.name}, {most} of them", rows, kept)


def _keys(reader: Reader[Any, Any], rows: Split) -> np.ndarray:
    """Group of each row, int64 [rows], numbered from 0."""
    groups = reader.groups(rows.table).combine_chunks().dictionary_encode()
    keys: np.ndarray = groups.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return keys


def _taken(name: str, rows: Split, kept: np.ndarray) -> Split:
    indices = pa.array(np.flatnonzero(kept))
    own = None if rows.kept is None else rows.kept.take(indices)
    return Split(name, rows.table.take(indices), rows.locations.take(indices), own)
