"""Tables in files, record by record: CSV, TSV, JSON Lines, plain lines and Parquet; for training and prediction alike.

A bad record is a record with a problem. What leaves the number of records in doubt (a quote that is never closed or
that swallows whole rows, an endless line, Parquet that ends early) is a `DataError`.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from ftcore_runtime import strict_json
from ftcore_runtime.errors import DataError
from ftcore_runtime.object_store import StoredObject
from ftcore_runtime.parquet import parquet_records
from ftcore_runtime.records import Record, require_columns
from ftcore_runtime.swallowed import QuoteWatch
from ftcore_runtime.textfile import MAX_CHARACTERS, STANDARD_INPUT, Lines, open_text

Quoting = Literal["rfc4180", "none"]

#: Suffix of a file -> its format.
FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".txt": "txt",
    ".parquet": "parquet",
}
_UNCLOSED = (
    "double each quote within a quoted field, or set `quoting: none` where quotes are plain characters"
)
_NO_HEADER = (
    "the first line names the columns: delete what is above it, or set the delimiter or quoting of the file"
)
_AS_IN_CSV = "is quoted as in CSV: set quoting to rfc4180, or to none if the quotes are text"
_ROWS_THAT_TELL = 10  # whose quotes are no part of a column's texts


@dataclass(frozen=True)
class TableOptions:
    """How a file of text is written.

    Args:
        encoding: of its bytes.
        delimiter: of CSV; a comma if None. That of TSV is a tab.
        quoting: `rfc4180` (fields within quotes may hold delimiters, line ends and doubled quotes) or `none` (a quote
            is a character like any other); if None, the former for CSV and the latter for TSV.
        needed: columns that a header must have -> the setting that names another one.
        header: names of the columns of CSV and TSV whose first line is a row.
    """

    encoding: str = "utf-8"
    delimiter: str | None = None
    quoting: Quoting | None = None
    needed: Mapping[str, str] | None = None
    header: tuple[str, ...] | None = None


def read_table(
    path: str | Path | StoredObject, name: str, form: str, options: TableOptions = TableOptions()
) -> Iterator[Record]:
    """Read the records of a file from its first to its last; none is held longer than its block.

    Args:
        path: of a regular file; `-` for standard input (not of Parquet); or an object in a store (of Parquet alone).
        name: the file as the user wrote it, for messages.
        form: csv, tsv, jsonl, txt or parquet.

    Raises:
        DataError: the file cannot be read, lacks a needed column, or does not say how many records it has.
    """
    if isinstance(path, StoredObject) or form == "parquet":
        source = path if isinstance(path, StoredObject) else Path(path)
        yield from parquet_records(source, name, options.needed or {})
        return
    try:
        # A lone carriage return ends a line of CSV; within JSON it is white space.
        with open_text(path, options.encoding, newline="\n" if form == "jsonl" else "") as file:
            lines = Lines(file, name, options.encoding)
            if form == "jsonl":
                yield from _json_lines(lines, name)
            elif form == "txt":
                yield from _plain_lines(lines, name)
                if not lines.number and path != STANDARD_INPUT:  # nothing piped in is no lines
                    raise DataError("the file is empty", where=name)
            else:
                yield from _delimited(lines, name, form, options)
    except OSError as error:
        what = "standard input" if path == STANDARD_INPUT else name
        raise DataError(f"cannot be read: {error.strerror or error}", where=what) from None


def _plain_lines(lines: Lines, name: str) -> Iterator[Record]:
    """Every line is a record with the one column ``text``."""
    for line in lines:
        problem = lines.take()[1]
        yield Record(f"{name}:{lines.number}", {"text": line.rstrip("\r\n")}, problem, lines.number)


def _json_lines(lines: Lines, name: str) -> Iterator[Record]:
    """One JSON object a line. Blank lines are skipped."""
    empty = True
    for line in lines:
        problem = lines.take()[1]
        location = f"{name}:{lines.number}"
        if not line.strip():
            continue
        if empty and (start := line.strip()).startswith(("[", "{")) and (start[0] == "[" or len(start) == 1):
            kind = "array" if start[0] == "[" else "object over several lines"
            raise DataError(
                f"this is a JSON {kind}, not JSON Lines",
                where=location,
                hint="write one object a line, without brackets around and commas between; a spec reads an array, too,"
                " from a file named .json",
            )
        empty = False
        value: Any = None
        if not problem:
            try:
                value = strict_json.loads(line.rstrip("\r\n"), lone_surrogates=True)
                if not isinstance(value, dict):
                    problem = f"expected a JSON object, got {type(value).__name__}"
            except ValueError as error:
                problem = f"not valid JSON: {error}".replace(" at line 1 column ", " at column ")
        yield Record(location, value if isinstance(value, dict) else None, problem, lines.number)
    if empty:
        raise DataError("the file is empty", where=name)


def _delimited(lines: Lines, name: str, form: str, options: TableOptions) -> Iterator[Record]:
    """CSV and TSV under a header, or with names for the columns. Blank lines are skipped."""
    delimiter = "\t" if form == "tsv" else options.delimiter or ","
    quoting = options.quoting or ("none" if form == "tsv" else "rfc4180")
    header = None if options.header is None else _header([*options.header], name, name, options.needed or {})
    watch = None if header is None else QuoteWatch(len(header), delimiter)
    misfits, above, quoted = Counter[int](), name, _QuotedColumns()
    plain_header = sorted(map(_plain, header or ()))
    plain_names = set(plain_header)
    for number, fields, problem, raw in _split(lines, name, form, delimiter, quoting):
        location = f"{name}:{number}"
        if header is None:
            if problem:
                raise DataError(f"the header is not valid: {problem}", where=location)
            header = _header(fields, name, location, options.needed or {})
            plain_header = sorted(map(_plain, header))
            plain_names = set(plain_header)
            watch, above = QuoteWatch(len(header), delimiter), location
            continue
        misfits[0 if len(fields) == len(header) else len(fields)] += 1
        if not problem and len(fields) != len(header):
            problem = f"the row has {_counted(len(fields))}, the header {len(header):,}"
        elif not problem and _plain(fields[0]) in plain_names and sorted(map(_plain, fields)) == plain_header:
            problem = "the row repeats the header (files put one after another?)"
        elif not problem and form == "tsv" and options.quoting is None:
            if any(map(_is_quoted, fields)):
                problem = f"a field {_AS_IN_CSV}"
            quoted.see(fields)
        if watch is not None and quoting == "rfc4180" and not problem:
            watch.see(number, fields, raw)
        values = dict(zip(header, fields, strict=True)) if len(fields) == len(header) else None
        yield Record(location, values, problem, number)
    if header is None or watch is None:
        raise DataError("the file is empty", where=name, hint="the first line names the columns")
    if found := watch.swallowed():
        first, swallowed = found
        what = f"the quote that opens here swallows {swallowed:,} lines that look like rows of their own"
        raise DataError(what, where=f"{name}:{first}", hint=_UNCLOSED)
    if misfits.total() > 1 and len(misfits) == 1 and not misfits[0]:
        (width,) = misfits
        what = f"the header has {_counted(len(header))}, and each of the {misfits.total():,} rows {width:,}"
        raise DataError(what, where=above, hint=_NO_HEADER)
    if column := quoted.found(header):
        raise DataError(f"every value of the column {column!r:.60} {_AS_IN_CSV}", where=name)


class _QuotedColumns:
    """The columns of which every value so far is in quotes."""

    def __init__(self) -> None:
        self._rows = 0
        self._columns: set[int] | None = None

    def see(self, fields: list[str]) -> None:
        """Look at a row."""
        self._rows += 1
        if self._columns is None:
            self._columns = set(range(len(fields)))
        self._columns = {i for i in self._columns if fields[i][:1] == '"' == fields[i][-1:] != fields[i]}

    def found(self, header: list[str]) -> str | None:
        """The name of the first of them; None where there is none, or too few rows to say so."""
        columns = self._columns if self._rows >= _ROWS_THAT_TELL else None
        return header[min(columns)] if columns else None


def _split(
    lines: Lines, name: str, form: str, delimiter: str, quoting: Quoting
) -> Iterator[tuple[int, list[str], str, list[str]]]:
    """First line, fields, problem and raw lines of each record that is not blank."""
    if quoting == "none":
        for line in lines:
            raw, problem = lines.take()
            if text := line.rstrip("\r\n"):
                yield lines.number, text.split(delimiter), problem, raw
        return
    csv.field_size_limit(MAX_CHARACTERS)
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        start = lines.number + 1
        fields: list[str] | None = []
        wrong = ""
        try:
            fields = next(reader, None)
        except csv.Error as error:
            wrong = f"not valid {form.upper()}: {error}"
            if lines.number > start or "unexpected end" in wrong:
                # Where the quote should have ended nobody knows: neither how many rows the lines since then are.
                what = f"{wrong}, {lines.number - start:,} lines after the quote that opens here"
                raise DataError(what, where=f"{name}:{start}", hint=_UNCLOSED) from None
        raw, problem = lines.take()
        if fields is None:
            return
        if fields or wrong:
            yield start, fields, problem or wrong, raw


def _counted(fields: int) -> str:
    return "1 field" if fields == 1 else f"{fields:,} fields"


def _plain(cell: str) -> str:
    """A header's cell as it is compared with another: files that were put together may begin with a byte order mark."""
    return cell.strip().removeprefix("\ufeff").strip('"').casefold()


def _is_quoted(cell: str) -> bool:
    """Whether a field is in quotes and has quotes doubled in it, as nobody writes who means the characters."""
    inner = cell[1:-1]
    return cell[:1] == '"' == cell[-1:] and '""' in inner and '"' not in inner.replace('""', "")


def _header(cells: list[str], name: str, location: str, needed: Mapping[str, str]) -> list[str]:
    repeated = [cell for cell, count in Counter(cells).items() if count > 1]
    if repeated:
        what = f"the header names {repeated[0]!r:.60} more than once"
        raise DataError(what, where=location, hint="rename one of them")
    require_columns(cells, name, needed)
    return cells
