"""Where rows to be answered come from: a table in a file, standard input, or Parquet in a folder or in a store."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import NoneType
from typing import Any

from ftcore_runtime.errors import InputError
from ftcore_runtime.inputs import problem
from ftcore_runtime.object_store import StoredObject, find_objects, is_address, path_of
from ftcore_runtime.parquet import parquet_files
from ftcore_runtime.records import Record
from ftcore_runtime.rows import Row, rows_of
from ftcore_runtime.tables import FORMATS, TableOptions, read_table
from ftcore_runtime.textfile import STANDARD_INPUT as STANDARD_INPUT

_INPUT = "the address of the rows"
_OF_JSON = (str, bool, int, float, NoneType)


@dataclass(frozen=True)
class Source:
    """An input that can be read any number of times, but for standard input.

    Args:
        path: of a file, of a folder of `.parquet` files, an address in a store, or `-`.
        form: csv, tsv, jsonl, txt or parquet.
        columns: the file's names of an input's texts.
        options: how the file is written.
        objects: what the address was found to be; None until then, and of a path.
    """

    path: str
    form: str
    columns: tuple[str, ...]
    options: TableOptions = field(default_factory=TableOptions)
    objects: tuple[StoredObject, ...] | None = None

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
        if not is_address(self.path):
            _refuse_pipe(self.path)
        if self.form != "parquet":
            yield from read_table(self.path, self.name, self.form, self.options)
            return
        number = 0
        for path in self.files():
            name = path.name if isinstance(path, StoredObject) else str(path)
            for record in read_table(path, name, self.form, self.options):
                number += 1
                values = {column: _as_json(value) for column, value in (record.values or {}).items()}
                yield replace(
                    record, values=values, problem=record.problem or self._no_text(record), number=number
                )

    def _no_text(self, record: Record) -> str:
        """What is wrong with a text of a record that JSON has no form for: as text it would be answered."""
        for column in self.columns:
            value = (record.values or {}).get(column)
            if not isinstance(value, _OF_JSON):
                return f"{column}: {problem(value)}"
        return ""

    def resolved(self) -> Source:
        """The same for a process with another working directory."""
        return self if is_address(self.path) else replace(self, path=str(Path(self.path).resolve()))

    def found(self) -> Source:
        """The same, with the objects of its address as they are now: another version of one is an error from here on.

        Raises:
            DataError: see `find_objects`.
        """
        return replace(self, objects=find_objects(self.path, _INPUT)) if is_address(self.path) else self

    def files(self) -> Sequence[Path | StoredObject]:
        """The files or objects that it is made of.

        Raises:
            InputError: standard input, or a folder without Parquet files.
            DataError: see `find_objects`.
        """
        if is_address(self.path):
            return self.objects or find_objects(self.path, _INPUT)
        if self.path == STANDARD_INPUT:
            raise InputError("Parquet cannot be read from a pipe", where=self.name, hint="name its file")
        path = Path(self.path)
        if not path.is_dir() or self.form != "parquet":
            return [path]
        found = parquet_files(path)
        if not found:
            raise InputError("holds no .parquet file", where=self.path)
        return found


def form_of(path: str, given: str | None = None) -> str:
    """The format that is given, or that a path's suffix says; a folder is of Parquet, standard input of plain lines.

    Raises:
        InputError: it says none, or another one is given for an address than Parquet.
        DataError: it is no address.
    """
    if is_address(path):
        path_of(path, _INPUT)
        if given not in (None, "parquet"):
            hint = "save it as Parquet; other formats are read from local files"
            raise InputError("an object of a store is read as Parquet", where=f"--format {given}", hint=hint)
        return "parquet"
    if given is not None:
        return given
    if path == STANDARD_INPUT:
        return "txt"
    _refuse_pipe(path)
    if Path(path).is_dir():
        return "parquet"
    form = FORMATS.get(Path(path).suffix.lower())
    if form is None:
        hint = f"give --format, or save it as one of {', '.join(FORMATS)}"
        raise InputError("its suffix does not tell its format", where=path, hint=hint)
    return form


def _refuse_pipe(path: str) -> None:
    """Rows are read more than once, which a pipe cannot be; standard input is read in one go, by its own name."""
    if path != STANDARD_INPUT and Path(path).is_fifo():
        hint = f"give `{STANDARD_INPUT}` for what is piped in"
        raise InputError("is a pipe, not a file", where=path, hint=hint)


def _as_json(value: Any) -> Any:  # noqa: ANN401 (whatever Parquet holds)
    """What JSON has no form for as text; what is no number as null."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, _OF_JSON) else str(value)
