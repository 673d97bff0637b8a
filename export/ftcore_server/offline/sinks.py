"""Where the output of rows goes: JSON Lines, CSV or Parquet, by the suffix of the file's name.

A table has a column for each field of an answer: texts and numbers as they are, a mapping of labels (100 at most) as a
column each, anything else as JSON. A row that could not be answered has its `error` and nothing else.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import NoneType
from typing import Any, BinaryIO, Protocol, get_args, get_origin, get_type_hints

from ftcore_runtime.answers import Answer, to_jsonl
from ftcore_runtime.decoders import Decoder
from ftcore_runtime.errors import InputError
from ftcore_runtime.terminal import json_text

_INPUT = "input."
#: Names of files end so that promise what no rows are written as.
NOT_WRITTEN = (".json", ".tsv", ".tab", ".xlsx", ".xls", ".ods", ".gz", ".zip")
_MOST_LABELS = 100  # that get a column each


class Sink(Protocol):
    """Takes lines of output, as `answer_lines` makes them."""

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append some lines."""

    def close(self) -> None:
        """Write what is still due; the file itself stays open."""


def sink_for(name: str | None) -> Callable[[BinaryIO, Decoder], Sink]:
    """What writes a file of this name: a table for `.csv` and `.parquet`, else JSON Lines.

    Raises:
        InputError: the name is of a format that is not written.
    """
    if name is not None and Path(name).suffix.lower() in NOT_WRITTEN:
        what = "answers are written as CSV, Parquet or JSON Lines"
        raise InputError(what, where=name, hint="let its name end in .csv, .parquet or .jsonl")
    kinds: dict[str, Callable[[BinaryIO, Decoder], Sink]] = {".csv": CsvSink, ".parquet": ParquetSink}
    return kinds.get(Path(name or "").suffix.lower(), JsonSink)


class JsonSink:
    """A line of JSON each."""

    def __init__(self, file: BinaryIO, decoder: Decoder) -> None:
        self._file = file

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append some lines."""
        self._file.write(to_jsonl(lines))

    def close(self) -> None:
        """Nothing is due."""


class CsvSink:
    """RFC 4180 in UTF-8, with a header; what a row has not is empty."""

    def __init__(self, file: BinaryIO, decoder: Decoder) -> None:
        self._file = file
        self._columns = Columns(decoder)
        self._begun = False

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append some lines."""
        made = io.StringIO()
        table = csv.writer(made, lineterminator="\n")
        rows = self._columns.rows(lines)
        if not self._begun:
            table.writerow(self._columns.names)
            self._begun = True
        table.writerows(["" if value is None else value for value in row] for row in rows)
        self._file.write(made.getvalue().encode(errors="backslashreplace"))

    def close(self) -> None:
        """The header alone, where there were no lines."""
        if not self._begun:
            self.write([])


class ParquetSink:
    """Parquet, a row group for each chunk of lines."""

    def __init__(self, file: BinaryIO, decoder: Decoder) -> None:
        self._file = file
        self._columns = Columns(decoder)
        self._writer: Any = None

    def write(self, lines: Sequence[Mapping[str, Any]]) -> None:
        """Append some lines."""
        import pyarrow as pa
        from pyarrow import parquet

        rows = self._columns.rows(lines)
        if self._writer is None:
            types = {int: pa.int64(), float: pa.float64(), bool: pa.bool_(), str: pa.string()}
            self._schema = pa.schema([(name, types[kind]) for name, kind in self._columns.kinds.items()])
            self._writer = parquet.ParquetWriter(self._file, self._schema)
        columns = [list(column) for column in zip(*rows, strict=True)] or [[] for _ in self._schema]
        arrays = [
            pa.array([_plain(value) for value in column], field.type)
            for column, field in zip(columns, self._schema, strict=True)
        ]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=self._schema))

    def close(self) -> None:
        """The footer."""
        if self._writer is None:
            self.write([])
        self._writer.close()


class Columns:
    """The columns of a table of output: those of the first row, if they are kept, and those of the bundle's answers."""

    def __init__(self, decoder: Decoder) -> None:
        self._labels = decoder.labels if len(decoder.labels) <= _MOST_LABELS else ()
        policy, kinds = decoder.policy, _kinds(decoder.answer, self._labels)
        never = {"abstained": policy.min_confidence is None, "prediction_set": policy.conformal is None}
        self._answer = {name: kind for name, kind in kinds if not never.get(name)}
        self._kept: tuple[str, ...] | None = None

    @property
    def kinds(self) -> dict[str, type]:
        """Name -> int, float, bool or str."""
        kept = dict.fromkeys((_INPUT + name for name in self._kept or ()), str)
        return {"row": int, **kept, **self._answer, "error": str}

    @property
    def names(self) -> list[str]:
        """Of all columns."""
        return [*self.kinds]

    def rows(self, lines: Iterable[Mapping[str, Any]]) -> list[list[Any]]:
        """A list of values for each line, in the order of `names`.

        Raises:
            InputError: a kept row has a column that the first has not.
        """
        flat = [self._flat(line) for line in lines]
        names = self.names
        return [[one.get(name) for name in names] for one in flat]

    def _flat(self, line: Mapping[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in line.items():
            if name == "input":
                found |= self._input(line["row"], value)
            elif isinstance(value, Mapping) and f"{name}.{next(iter(self._labels), '')}" in self._answer:
                found |= {f"{name}.{label}": one for label, one in value.items()}
            elif isinstance(value, (Mapping, list)):
                found[name] = json_text(value)
            else:
                found[name] = value
        return found

    def _input(self, number: int, columns: Mapping[str, Any]) -> dict[str, Any]:
        if self._kept is None:
            self._kept = tuple(columns)
        if strangers := [name for name in columns if name not in self._kept]:
            what = f"row {number} has the column {strangers[0]!r:.60}, which the first row has not"
            raise InputError(what, where="--output", hint="write JSON Lines: --output FILE.jsonl")
        return {
            _INPUT + name: value if value is None or isinstance(value, str) else json_text(value)
            for name, value in columns.items()
        }


def _kinds(answer: type[Answer], labels: Sequence[str]) -> Iterator[tuple[str, type]]:
    """Column and kind of each field of an answer."""
    hints = get_type_hints(answer)
    for field in dataclasses.fields(answer):  # type: ignore[arg-type]
        kinds = [kind for kind in get_args(hints[field.name]) or (hints[field.name],) if kind is not NoneType]
        kind = hints[field.name] if get_origin(hints[field.name]) is dict else kinds[0]
        if kind == dict[str, float] and labels:
            yield from ((f"{field.name}.{label}", float) for label in labels)
        else:
            yield field.name, kind if kind in (int, float, bool) else str


def _plain(value: Any) -> Any:  # noqa: ANN401 (a cell)
    """A text that can be encoded: a lone surrogate stays an escape."""
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value
