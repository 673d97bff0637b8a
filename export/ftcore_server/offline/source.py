"""Where rows to be answered come from: a file of lines, standard input, a Parquet file or a folder of those."""

from __future__ import annotations

import io
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TextIO

from ftcore_runtime.errors import InputError
from ftcore_runtime.rows import FORMATS, Row, checked_row, read_rows

STANDARD_INPUT = "-"
_PARQUET_ROWS = 1024  # read at a time


@dataclass(frozen=True)
class Source:
    """An input that can be read any number of times, but for standard input.

    Args:
        path: of a file, of a folder of `.parquet` files, or `-`.
        form: csv, tsv, jsonl, txt or parquet.
        columns: the file's names of the one or two texts.
    """

    path: str
    form: str
    columns: tuple[str, ...]

    @property
    def name(self) -> str:
        """What errors call it."""
        return "standard input" if self.path == STANDARD_INPUT else self.path

    def rows(self) -> Iterator[Row]:
        """Its rows: numbered by line; of Parquet from 1 on, through all files of a folder in the order of their names.

        Raises:
            InputError: it cannot be read, or has no such columns.
        """
        if self.form == "parquet":
            yield from self._parquet()
            return
        with _opened(self.path) as file:
            yield from read_rows(file, self.name, self.form, *self.columns)

    def resolved(self) -> Source:
        """The same for a process with another working directory."""
        return replace(self, path=str(Path(self.path).resolve()))

    def files(self) -> list[Path]:
        """The files that it is made of.

        Raises:
            InputError: a folder without Parquet files.
        """
        path = Path(self.path)
        if not path.is_dir() or self.form != "parquet":
            return [path]
        found = sorted(path.glob("*.parquet"))
        if not found:
            raise InputError("holds no .parquet file", where=self.path)
        return found

    def _parquet(self) -> Iterator[Row]:
        from pyarrow import ArrowException
        from pyarrow.parquet import ParquetFile

        number = 0
        for path in self.files():
            try:
                with ParquetFile(path) as file:
                    names = file.schema_arrow.names
                    if missing := [column for column in self.columns if column not in names]:
                        raise InputError(
                            f"has no column {missing[0]!r}",
                            where=str(path),
                            hint=f"name it with --column FIELD=NAME; the columns are {', '.join(names)[:300]}",
                        )
                    for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                        for row in batch.to_pylist():
                            number += 1
                            values = {column: _as_json(value) for column, value in row.items()}
                            yield checked_row(number, values, self.columns)
            except OSError as error:
                raise InputError(
                    f"cannot be read: {error.strerror or 'no Parquet'}", where=str(path)
                ) from None
            except ArrowException:
                raise InputError("is not valid Parquet", where=str(path)) from None


def form_of(path: str) -> str:
    """The format that a path's suffix says; a folder is of Parquet, standard input of plain lines.

    Raises:
        InputError: it says none.
    """
    if path == STANDARD_INPUT:
        return "txt"
    if Path(path).is_dir():
        return "parquet"
    form = {**FORMATS, ".parquet": "parquet"}.get(Path(path).suffix.lower())
    if form is None:
        raise InputError("its format is not said by its suffix", where=path, hint="give --format")
    return form


def _opened(path: str) -> TextIO:
    """Bytes that are no UTF-8 become lone surrogates, which mark the row they are in and no other."""
    standard = path == STANDARD_INPUT
    try:
        raw = io.FileIO(sys.stdin.fileno() if standard else path, closefd=not standard)
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", where=path) from None
    return io.TextIOWrapper(
        io.BufferedReader(raw), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


def _as_json(value: Any) -> Any:  # noqa: ANN401 (whatever Parquet holds)
    """What JSON has no form for as text; what is no number as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
