"""Spreadsheets of Excel: the rows of the sheet that has some, or of the one that is named, by openpyxl."""

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
_SHEETS = 8  # named in a message
#: What a formula gives that cannot be computed.
_ERRORS = {
    "#NULL!",
    "#DIV/0!",
    "#VALUE!",
    "#REF!",
    "#NAME?",
    "#NUM!",
    "#N/A",
    "#SPILL!",
    "#CALC!",
    "#GETTING_DATA",
}


def read_xlsx(path: Path, name: str, sheet: str | None = None) -> Iterator[Record]:
    """One record a row below the first one, which names the columns. Rows without any value are left out.

    Dates become text as ISO 8601 has it; of a formula, the value that was saved with it; an error (`#N/A`) is no value.

    Args:
        sheet: the sheet's name; the only one with values unless given.

    Raises:
        DataError: the file is no such workbook, is too large, has no such sheet, several or none with values.
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
        yield from _records(_rows(file, name, sheet), name)


def _rows(file: Any, name: str, sheet: str | None) -> Iterator[tuple[Any, ...]]:  # noqa: ANN401 (an open file)
    """The cells of each row of the sheet that is read."""
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
            yield from _sheet(book, name, sheet).iter_rows(values_only=True)
        finally:
            book.close()
    except (KeyError, IndexError, ValueError, TypeError, SyntaxError, OSError, EOFError) as error:
        what = f"the workbook cannot be read: {str(error)[:120] or type(error).__name__}"
        raise DataError(what, where=name, hint="save the sheet as CSV in UTF-8") from None


def _sheet(book: Any, name: str, sheet: str | None) -> Any:  # noqa: ANN401 (openpyxl's own)
    """The sheet that is named, or the only one with values."""
    filled = [
        one.title
        for one in book.worksheets
        if getattr(one, "sheet_state", "visible") == "visible"
        and any(_value(cell) is not None for row in one.iter_rows(values_only=True) for cell in row)
    ]
    shown = ", ".join(f"{title!r:.40}" for title in filled[:_SHEETS])
    if sheet is None and len(filled) > 1:
        what = f"{len(filled)} sheets have values: {shown}"
        raise DataError(
            what, where=name, hint="name one in `sheet` of this source, or save it as a file of its own"
        )
    if not filled:
        raise DataError("its sheets are empty", where=name, hint="the first row of a sheet names the columns")
    wanted = filled[0] if sheet is None else sheet
    if wanted not in [one.title for one in book.worksheets]:
        raise DataError(f"there is no sheet {wanted!r:.60}; those with values are {shown}", where=name)
    return book[wanted]


def _records(rows: Iterator[tuple[Any, ...]], name: str) -> Iterator[Record]:
    header: list[str] | None = None
    records = outside = 0
    for number, cells in enumerate(rows, 1):
        values = [_value(cell) for cell in cells]
        if all(value is None for value in values):
            continue
        if header is None:
            header = _header(values, f"{name}:{number}")
            continue
        records += 1
        if any(value is not None for value in values[len(header) :]):
            outside += 1
            yield Record(
                f"{name}:{number}", None, "a cell stands outside the columns that the first row names", number
            )
            continue
        row = dict(zip(header, [*values, *[None] * len(header)], strict=False))
        yield Record(
            f"{name}:{number}", {column: value for column, value in row.items() if column}, "", number
        )
    if records == outside > 1:
        what = f"each of the {records:,} rows has cells outside the columns that the first one names"
        raise DataError(what, where=name, hint="delete what is above the row that names the columns")
    if header is None:
        raise DataError("the sheet is empty", where=name, hint="its first row names the columns")


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
    if isinstance(cell, str) and (not cell.strip() or cell in _ERRORS):
        return None
    return cell
