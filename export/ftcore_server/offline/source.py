"""Where rows to be answered come from: a file of a table, standard input, or a folder of Parquet files."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ftcore_runtime.errors import InputError
from ftcore_runtime.records import Record
from ftcore_runtime.rows import Row, rows_of
from ftcore_runtime.tables import FORMATS, TableOptions, read_table
from ftcore_runtime.textfile import STANDARD_INPUT as STANDARD_INPUT


@dataclass(frozen=True)
class Source:
    """An input that can be read any number of times, but for standard input.

    Args:
        path: of a file, of a folder of `.parquet` files, or `-`.
        form: csv, tsv, jsonl, txt or parquet.
        columns: the file's names of an input's texts.
        options: how the file is written.
    """

    path: str
    form: str
    columns: tuple[str, ...]
    options: TableOptions = field(default_factory=TableOptions)

    @property
    def name(self) -> str:
        """What errors call it."""
        return "standard input" if self.path == STANDARD_INPUT else self.path

    def rows(self) -> Iterator[Row]:
        """Its rows: numbered by line; of Parquet from 1 on, through all files of a folder in the order of their names.

        Raises:
            DataError: it cannot be read, has no such columns, or does not say how many rows it has.
            InputError: a pair is asked of a file without columns.
        """
        columns = self.columns
        if self.form == "txt":
            if len(columns) > 1:
                raise InputError(
                    "a text file has no columns, so no pairs", where=self.name, hint="use csv or jsonl"
                )
            columns = ("text",)
        yield from rows_of(self._records(), columns)

    def _records(self) -> Iterator[Record]:
        if self.form != "parquet":
            yield from read_table(self.path, self.name, self.form, self.options)
            return
        number = 0
        for path in self.files():
            for record in read_table(path, str(path), self.form, self.options):
                number += 1
                values = {column: _as_json(value) for column, value in (record.values or {}).items()}
                yield replace(record, values=values, number=number)

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


def form_of(path: str) -> str:
    """The format that a path's suffix says; a folder is of Parquet, standard input of plain lines.

    Raises:
        InputError: it says none.
    """
    if path == STANDARD_INPUT:
        return "txt"
    if Path(path).is_dir():
        return "parquet"
    form = FORMATS.get(Path(path).suffix.lower())
    if form is None:
        raise InputError("its suffix does not tell its format", where=path, hint="give --format")
    return form


def _as_json(value: Any) -> Any:  # noqa: ANN401 (whatever Parquet holds)
    """What JSON has no form for as text; what is no number as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, (str, bool, int, float)) else str(value)
