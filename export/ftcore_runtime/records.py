"""One record of a source, good or bad; and the columns that a source must have."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

from ftcore_runtime.errors import DataError

_DELIMITERS = ";\t|,"
_EXCEL = {
    "sep=",
    *(f"sep={mark}" for mark in _DELIMITERS),
}  # with and without the mark, which may be the delimiter
_QUOTED = "the header is in quotes: set quoting to rfc4180"
_SHOWN = 20  # columns named in a message


def is_delimiter(text: str) -> bool:
    """Whether a text can stand between the fields of CSV: one character, neither a quote nor a line end nor a NUL."""
    return len(text) == 1 and text not in '"\r\n\0'


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


def require_columns(
    there: Sequence[str], name: str, needed: Mapping[str, str], source: str | None = None
) -> None:
    """Refuse a table without a column that is needed.

    Args:
        needed: column -> the setting that would name another one.
        source: the section of the spec whose options say how the table is written, if one does.

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
            hint=_looks_written(there, source) or f"{_close(column, there)}{setting}",
        )


def _looks_written(there: Sequence[str], source: str | None) -> str | None:
    """A hint where a header looks like several columns in one, like one in quotes, or like a line of Excel's own."""
    if any(len(one) > 2 and one[0] == '"' == one[-1] for one in there[:_SHOWN]):
        return f"the header is in quotes: set {source}.quoting to rfc4180" if source else _QUOTED
    if there[0].lower() in _EXCEL:
        return "the first line is one that Excel alone reads: delete it, and say the delimiter that it names"
    if len(there) == 1 and (counts := Counter(mark for mark in there[0] if mark in _DELIMITERS)):
        mark = counts.most_common(1)[0][0]
        shown = "a tab" if mark == "\t" else f"{mark!r}"
        option, value = ("format", "tsv") if mark == "\t" else ("delimiter", shown)
        setting = f"{source}.{option} to {value}" if source else f"the {option} {value}"
        return f"the header looks separated by {shown}: set {setting}"
    return None


def _close(column: str, there: Sequence[str]) -> str:
    close = get_close_matches(column[:60], [one for one in there[:1000] if len(one) <= 60], n=1)
    if not close:
        return ""
    looks_alike = (
        unicodedata.normalize("NFKC", close[0]).strip() == unicodedata.normalize("NFKC", column).strip()
    )
    shown = json.dumps(close[0]) if looks_alike or not close[0].isprintable() else f"{close[0]!r}"
    return f"did you mean {shown}? "
