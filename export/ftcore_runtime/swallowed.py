"""Finds rows that a lone quote has swallowed: one CSV record whose lines are records themselves.

RFC 4180 allows line ends within quotes, so two stray quotes (`"5 inch` here, `6 inch"` there) make one valid record
of all the rows between them. Its lines distinguish such a record from an honest text of several lines: every one has
as many fields as the header, and in a column of few values (labels), or of numbers alone, they are values of that
column.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

_COLUMNS = 32  # looked at
_ROWS = 20_000  # of one line, that are looked at
_VALUES = 256  # a column of more different ones is no column of few values
_SUSPECTS = 1000
_LONGEST = 64  # characters of a value of few
_LINES_WITHOUT_LABELS = 4  # where no column tells rows from text


class QuoteWatch:
    """Looks at the records of one file.

    Args:
        columns: of the header.
        delimiter: of the fields.
    """

    def __init__(self, columns: int, delimiter: str) -> None:
        self._columns = columns
        self._delimiter = delimiter
        self._values: dict[int, set[str]] = {column: set() for column in range(min(columns, _COLUMNS))}
        self._numeric = set(self._values)
        self._rows = 0
        self._suspects: list[tuple[int, list[list[str | None]]]] = []

    def see(self, number: int, fields: Sequence[str], raw: Sequence[str]) -> None:
        """Look at one record.

        Args:
            number: the line it starts at.
            fields: as they were parsed, as many as the header has.
            raw: its lines.
        """
        if len(raw) > 1:
            self._suspect(number, raw)
        elif self._rows < _ROWS:
            self._rows += 1
            self._learn(fields)

    def _suspect(self, number: int, raw: Sequence[str]) -> None:
        if self._columns == 1 or len(self._suspects) == _SUSPECTS:
            return
        parts = [line.rstrip("\r\n").split(self._delimiter) for line in raw]
        if all(len(part) == self._columns for part in parts):
            # The cells in which the quotes stand are parts of a text either way, so they tell nothing.
            cells = [[None if '"' in cell else cell for cell in part[:_COLUMNS]] for part in parts]
            self._suspects.append((number, cells))

    def _learn(self, fields: Sequence[str]) -> None:
        for column in list(self._values):
            value = fields[column]
            seen = self._values[column]
            seen.add(value)
            if len(seen) > _VALUES or len(value) > _LONGEST:
                del self._values[column]
        for column in list(self._numeric):
            if not _is_number(fields[column]):
                self._numeric.discard(column)

    def swallowed(self) -> tuple[int, int] | None:
        """Line and number of lines of the first record that is several rows; asked at the end of the file."""
        few = {column: seen for column, seen in self._values.items() if self._rows >= 2 * len(seen)}
        numeric = self._numeric if self._rows else set()
        for number, parts in self._suspects:
            if not few and not numeric:
                if len(parts) >= _LINES_WITHOUT_LABELS:
                    return number, len(parts)
                continue
            for column in few.keys() | numeric:
                cells = [cell for part in parts if (cell := part[column]) is not None]
                seen = few.get(column)
                if len(cells) > 1 and all(_is_number(c) if seen is None else c in seen for c in cells):
                    return number, len(parts)
        return None


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False
