"""One record of a source, good or bad; and the columns that a source must have."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ftcore_runtime.errors import DataError

_DELIMITERS = ";\t|,"
_SHOWN = 20  # columns named in a message


@dataclass(frozen=True, slots=True)
class Record:
    """One row as the source has it.

    Args:
        location: `file:row` for messages; the line a record starts at in text files, else the row, both from 1.
        values: column -> value; of a bad record what could be read, or None.
        problem: why it is bad; "" if it is not.
        number: the line or row in `location`; 0 where a location has none.
    """

    location: str
    values: dict[str, Any] | None
    problem: str = ""
    number: int = 0


def require_columns(there: Sequence[str], name: str, needed: Mapping[str, str]) -> None:
    """Refuse a table without a column that is needed.

    Args:
        needed: column -> the setting that would name another one.

    Raises:
        DataError: with the columns that are there, and the most likely reason.
    """
    known = set(there)
    for column, setting in needed.items():
        if column in known:
            continue
        shown = ", ".join(f"{one!r:.60}" for one in there[:_SHOWN]) + (", ..." if len(there) > _SHOWN else "")
        raise DataError(
            f"there is no column {column!r:.60}; the columns are {shown}",
            where=name,
            hint=_looks_written(there) or f"{_close(column, there)}{setting}",
        )


def _looks_written(there: Sequence[str]) -> str | None:
    """A hint where a header of one column looks like several, or like one in quotes."""
    if any(len(one) > 2 and one[0] == '"' == one[-1] for one in there[:_SHOWN]):
        return "the header is in quotes: set quoting to rfc4180"
    if len(there) == 1 and (counts := Counter(mark for mark in there[0] if mark in _DELIMITERS)):
        mark = counts.most_common(1)[0][0]
        shown = "a tab" if mark == "\t" else f"{mark!r}"
        other = "the format tsv" if mark == "\t" else f"the delimiter {shown}"
        return f"the header looks separated by {shown}: set {other}"
    return None


def _close(column: str, there: Sequence[str]) -> str:
    close = get_close_matches(column[:60], [one for one in there[:1000] if len(one) <= 60], n=1)
    return f"did you mean {close[0]!r}? " if close else ""
