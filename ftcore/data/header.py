"""Whether the first line of a table names its columns, and what to call them where it does not."""

from __future__ import annotations

from collections.abc import Sequence

_LONGEST_NAME = 60  # characters of a column's name
_WORDS = 5  # of a column's name
_FEW = 0.5  # different values, as a share of the rows, of a column of labels
_LONG = 15  # mean characters of a column of texts


def header_names(rows: Sequence[Sequence[str]]) -> list[str] | None:
    """Names for the columns of a table whose first line is a row; None where that line names them itself.

    The longest column is called `text`, and one of few values `label`; of two columns of texts the first is called
    `source` and the second `target`; others go by their number.

    Args:
        rows: the first rows, the first line among them.
    """
    width = len(rows[0])
    columns = [[row[index].strip() for row in rows if index < len(row)] for index in range(width)]
    if not any(_is_value(column[0].lstrip("\ufeff"), column[1:]) for column in columns):
        return None
    lengths = [sum(map(len, column)) / len(column) for column in columns]
    few = [len({*column}) <= max(2, _FEW * len(column)) for column in columns]
    names = [f"column{number}" for number in range(1, width + 1)]
    text = max(range(width), key=lengths.__getitem__)
    labels = [index for index in range(width) if few[index] and index != text]
    if width == 2 and not labels and min(lengths) > _LONG:
        return ["source", "target"]
    names[text] = "text"
    if labels:
        names[min(labels, key=lambda index: len({*columns[index]}))] = "label"
    return names


def _is_value(cell: str, below: Sequence[str]) -> bool:
    """Whether the first cell of a column looks like those below it, and not like a name."""
    if not cell:  # an index without a name
        return False
    number = cell.replace(".", "", 1).lstrip("-").isdigit()
    return number or cell in below or len(cell) > _LONGEST_NAME or len(cell.split()) > _WORDS
