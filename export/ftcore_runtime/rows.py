"""Rows to answer: the records of a table, checked one by one; a bad row is a row with an error."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ftcore_runtime.inputs import Input, problem
from ftcore_runtime.records import Record


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a file.

    Args:
        number: the line it starts at (of Parquet the row), from 1.
        input: what to answer; None if the row is bad.
        error: why it is bad; None if it is not.
        columns: the row as the file has it, as far as it could be read.
    """

    number: int
    input: Input | None
    error: str | None = None
    columns: Mapping[str, Any] = field(default_factory=dict)


def rows_of(records: Iterable[Record], columns: Sequence[str]) -> Iterator[Row]:
    """A row for each record.

    Args:
        columns: of the texts of an input.
    """
    for record in records:
        values = record.values or {}
        if record.problem:
            yield Row(record.number, None, record.problem, values)
        else:
            yield checked_row(record.number, values, columns)


def checked_row(number: int, values: Mapping[str, Any], columns: Sequence[str]) -> Row:
    """A row of these columns, or a bad one where a text of it cannot be answered."""
    for column in columns:
        if column not in values:
            return Row(number, None, f"has no {column!r}", values)
        if why := problem(values[column]):
            return Row(number, None, why if len(columns) == 1 else f"{column}: {why}", values)
    texts = [values[column] for column in columns]
    return Row(number, texts[0] if len(texts) == 1 else tuple(texts), None, values)
