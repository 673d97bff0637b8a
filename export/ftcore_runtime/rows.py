"""Rows to answer, one by one, from CSV, TSV, JSON Lines or plain text; a bad row is a row with an error."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from ftcore_runtime import strict_json
from ftcore_runtime.errors import InputError
from ftcore_runtime.inputs import Input, problem

#: Suffix of a file -> its format.
FORMATS = {".csv": "csv", ".tsv": "tsv", ".tab": "tsv", ".jsonl": "jsonl", ".ndjson": "jsonl", ".txt": "txt"}
#: Longest line or field, in characters: bounds memory on a file that is not what it says.
MAX_CHARACTERS = 16 * 2**20


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Args:
        number: the line it starts at, from 1.
        input: what to answer; None if the row is bad.
        error: why it is bad; None if it is not.
        columns: the row as the file has it, as far as it could be read.
    """

    number: int
    input: Input | None
    error: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


def read_rows(file: TextIO, name: str, form: str, text: str, text_pair: str | None = None) -> Iterator[Row]:
    """Read rows of `form` (csv, tsv, jsonl or txt) from a text file.

    Args:
        file: opened with `errors="surrogateescape"`, so that a byte that is no text spoils its own row alone;
            for csv and tsv with `newline=""`.
        name: of the file, for errors.
        text, text_pair: columns of the text and, for pairs, of the second one; a line of txt is a text.

    Raises:
        InputError: no row of the file can be read: a header without these columns, an endless line.
    """
    columns = (text,) if text_pair is None else (text, text_pair)
    if form == "txt":
        if text_pair is not None:
            raise InputError("a text file has no columns, so no pairs", where=name, hint="use csv or jsonl")
        for number, line in enumerate(_lines(file, name), 1):
            yield checked_row(number, {text: line.rstrip("\r\n")}, columns)
    elif form == "jsonl":
        yield from _json_lines(file, name, columns)
    else:
        yield from _delimited(file, name, "\t" if form == "tsv" else ",", columns)


def _json_lines(file: TextIO, name: str, columns: Sequence[str]) -> Iterator[Row]:
    for number, line in enumerate(_lines(file, name), 1):
        if not line.strip():
            continue
        try:
            value = strict_json.loads(line)
        except ValueError as error:
            yield Row(number, None, f"not valid JSON: {error}")
            continue
        if isinstance(value, dict):
            yield checked_row(number, value, columns)
        else:
            yield Row(number, None, f"expected a JSON object, got {type(value).__name__}")


def _delimited(file: TextIO, name: str, delimiter: str, columns: Sequence[str]) -> Iterator[Row]:
    csv.field_size_limit(MAX_CHARACTERS)
    reader = csv.reader(_lines(file, name), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        start = reader.line_num + 1
        try:
            cells = next(reader, None)
        except csv.Error as error:
            if header is None:
                raise InputError(f"the header is not valid: {error}", where=f"{name}:{start}") from None
            yield Row(start, None, f"not valid: {error}")
            continue
        if cells is None:
            break
        if not cells:
            continue
        if header is None:
            header = _header(cells, name, columns)
        elif len(cells) != len(header):
            yield Row(start, None, f"the row has {len(cells)} fields, the header {len(header)}")
        else:
            yield checked_row(start, dict(zip(header, cells, strict=True)), columns)
    if header is None:
        raise InputError("the file is empty", where=name, hint="the first line names the columns")


def _header(cells: list[str], name: str, columns: Sequence[str]) -> list[str]:
    if missing := [column for column in columns if column not in cells]:
        raise InputError(
            f"has no column {missing[0]!r}",
            where=name,
            hint=f"name it with --column FIELD=NAME; the columns are {', '.join(cells)[:300]}",
        )
    if len(set(cells)) != len(cells):
        raise InputError("the header names a column twice", where=name)
    return cells


def checked_row(number: int, values: Mapping[str, Any], columns: Sequence[str]) -> Row:
    """A row of these columns, or a bad one where a text of it cannot be answered."""
    for column in columns:
        if column not in values:
            return Row(number, None, f"has no {column!r}", values)
        if why := problem(values[column]):
            return Row(number, None, why if len(columns) == 1 else f"{column}: {why}", values)
    texts = [values[column] for column in columns]
    return Row(number, texts[0] if len(texts) == 1 else (texts[0], texts[1]), None, values)


def _lines(file: TextIO, name: str) -> Iterator[str]:
    number = 0
    while line := file.readline(MAX_CHARACTERS + 1):
        number += 1
        if len(line) > MAX_CHARACTERS:
            raise InputError(f"a line of more than {MAX_CHARACTERS:,} characters", where=f"{name}:{number}")
        yield line
