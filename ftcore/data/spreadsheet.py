"""Spreadsheets of Excel: the rows of the first sheet, by openpyxl."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from datetime import date, time
from pathlib import Path
from typing import Any

from ftcore.data.records import Record
from ftcore.errors import DataError, UserError
from ftcore_runtime.files import open_regular

#: Bytes that the parts of a file may have when they are unpacked.
_MOST_BYTES = 1 << 30


def read_xlsx(path: Path, name: str) -> Iterator[Record]:
    """One record a row below the first one, which names the columns. Rows without any value are left out.

    Dates become text as ISO 8601 has it; of a formula, the value that was saved with it.

    Raises:
        DataError: the file is no such workbook, is too large, or its first sheet names no columns.
        UserError: openpyxl is not installed.
    """
    with open_regular(path) as file:
        try:
            with zipfile.ZipFile(file) as parts:
                size = sum(part.file_size for part in parts.infolist())
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            raise DataError(
                "no workbook of Excel (.xlsx)", where=name, hint="save the sheet as .xlsx or as CSV in UTF-8"
            ) from None
        if size > _MOST_BYTES:
            raise DataError(
                f"it unpacks to {size:,} bytes", where=name, hint="save the sheet as CSV in UTF-8"
            )
        yield from _records(_rows(file, name), name)


def _rows(file: Any, name: str) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 (an open file)
    """The cells of each row of the first sheet."""
    try:
        from openpyxl import load_workbook
    except ImportError:
        raise UserError(
            "spreadsheets need the package `openpyxl`, which is not installed",
            where=name,
            hint="pip install 'ftcore[excel]', or save the sheet as CSV in UTF-8",
        ) from None
    try:
        book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        try:
            yield from book.worksheets[0].iter_rows(values_only=True)
        finally:
            book.close()
    except (KeyError, IndexError, ValueError, TypeError, SyntaxError, OSError, EOFError) as error:
        what = f"the workbook cannot be read: {str(error)[:120] or type(error).__name__}"
        raise DataError(what, where=name, hint="save the sheet as CSV in UTF-8") from None


def _records(rows: Iterator[tuple[Any, ...]], name: str) -> Iterator[Record]:
    header: list[str] | None = None
    for number, cells in enumerate(rows, 1):
        values = [_value(cell) for cell in cells]
        if all(value is None for value in values):
            continue
        if header is None:
            header = _header(values, f"{name}:{number}")
            continue
        if any(value is not None for value in values[len(header) :]):
            yield Record(
                f"{name}:{number}", None, "a cell stands outside the columns that the first row names", number
            )
            continue
        row = dict(zip(header, [*values, *[None] * len(header)], strict=False))
        yield Record(
            f"{name}:{number}", {column: value for column, value in row.items() if column}, "", number
        )
    if header is None:
        raise DataError("the first sheet is empty", where=name, hint="its first row names the columns")


def _header(values: list[Any], location: str) -> list[str]:
    """The names of the columns; "" for one without a name, whose cells are left out."""
    names = ["" if value is None else str(value).strip() for value in values]
    while names and not names[-1]:
        names.pop()
    if repeated := [one for one in names if one and names.count(one) > 1]:
        raise DataError(
            f"the header names {repeated[0]!r:.60} more than once", where=location, hint="rename one of them"
        )
    return names


def _value(cell: Any) -> Any:  # noqa: ANN401 (a cell)
    if isinstance(cell, date | time):
        return cell.isoformat()
    if isinstance(cell, str) and not cell.strip():
        return None
    return cell
