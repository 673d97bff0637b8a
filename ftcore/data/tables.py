"""Rows on disk: Arrow IPC files, written in chunks and memory-mapped. Memory does not grow with rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import pyarrow as pa

#: Last column of every file: each row's location in its source, `file:row`.
LOCATION = "__origin__"
#: Column before it, where a task keeps columns of its sources: these columns and their values, as JSON.
KEPT = "__kept__"
_ROWS = 4096
_CHARACTERS = 4 * 1024 * 1024


@dataclass(frozen=True)
class Split:
    """The rows of one split, memory-mapped.

    Args:
        name: train, validation or test.
        table: the family's schema, [rows].
        locations: string [rows]: `file:row` of each, as error messages show it.
        kept: string [rows]: the columns of `data.keep` with their values, as JSON; None where nothing is kept.
    """

    name: str
    table: pa.Table
    locations: pa.ChunkedArray
    kept: pa.ChunkedArray | None = None


class RowWriter:
    """Appends rows to an Arrow IPC file, a chunk at a time.

    Args:
        refused: called with a row's location and the reason when Arrow cannot hold it under the schema.
        keeps: whether columns of the source are kept.
    """

    def __init__(
        self, path: Path, schema: pa.Schema, refused: Callable[[str, str], None], *, keeps: bool = False
    ) -> None:
        if keeps:
            schema = schema.append(pa.field(KEPT, pa.string()))
        self._schema = schema.append(pa.field(LOCATION, pa.string()))
        self._refused = refused
        self._writer = pa.ipc.new_file(str(path), self._schema)
        self._rows: list[dict[str, Any]] = []
        self._characters = 0

    def add(self, row: Mapping[str, Any], location: str, kept: str | None = None) -> None:
        """Append one row of the schema, with what is kept of its source, as JSON."""
        own = {} if kept is None else {KEPT: kept}
        self._rows.append({**row, **own, LOCATION: location})
        for value in row.values():
            if isinstance(value, str | list):
                self._characters += len(value)
        if len(self._rows) == _ROWS or self._characters > _CHARACTERS:
            self._flush()

    def _flush(self) -> None:
        rows, self._rows, self._characters = self._rows, [], 0
        try:
            self._writer.write_batch(pa.RecordBatch.from_pylist(rows, schema=self._schema))
        except (pa.ArrowException, TypeError, ValueError, OverflowError):
            for row in rows:  # one of them; find it
                try:
                    self._writer.write_batch(pa.RecordBatch.from_pylist([row], schema=self._schema))
                except (pa.ArrowException, TypeError, ValueError, OverflowError) as error:
                    self._refused(row[LOCATION], _reason(error))

    def __enter__(self) -> RowWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self._flush()
        self._writer.close()


def _reason(error: Exception) -> str:
    """Why Arrow cannot hold a row."""
    if isinstance(error, UnicodeEncodeError):
        return (
            f"half of a surrogate pair, {error.object[error.start]!a}, is in a text: surrogates not allowed"
        )
    return str(error).partition("\n")[0]


def open_split(path: Path, name: str) -> Split:
    """Map a file of `RowWriter` or `copy_rows`."""
    table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    kept = table[KEPT] if KEPT in table.column_names else None
    rows = table.drop_columns([LOCATION] if kept is None else [KEPT, LOCATION])
    return Split(name, rows, table[LOCATION], kept)


def copy_rows(source: Path, target: Path, kept: np.ndarray) -> None:
    """Copy the rows `kept` (int64, ascending) of one file to another, a chunk at a time."""
    with (
        pa.ipc.open_file(pa.memory_map(str(source))) as reader,
        pa.ipc.new_file(str(target), reader.schema) as writer,
    ):
        start = 0
        for index in range(reader.num_record_batches):
            batch = reader.get_batch(index)
            first, last = np.searchsorted(kept, [start, start + batch.num_rows])
            if last > first:
                writer.write_batch(batch.take(pa.array(kept[first:last] - start)))
            start += batch.num_rows
