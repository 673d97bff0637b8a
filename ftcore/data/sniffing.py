"""How a file of rows is written: format, encoding, delimiter, quotes and header, from its suffix and first lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ftcore.data.encodings import guess_encoding
from ftcore.data.gettext import SUFFIXES, catalogs
from ftcore.errors import DataError
from ftcore_runtime.tables import FORMATS, Quoting
from ftcore_runtime.textfile import Lines, open_text

_LINES = 300  # that are looked at
_CHARACTERS = 1 << 20
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_LONGEST_NAME = 60  # characters of a column's name
_WORDS = 5  # of a column's name
_BINARY = {
    **dict.fromkeys((".xlsx", ".xls", ".ods"), "spreadsheets are not read: save the sheet as CSV in UTF-8"),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst", ".tar"), "unpack it first"),
}


@dataclass(frozen=True)
class Sniffed:
    """How a source is written.

    Args:
        says: in words.
        options: the fields of `Source` next to `path` that are not their defaults.
    """

    says: str
    options: dict[str, Any] = field(default_factory=dict)


def sniff(path: Path, name: str) -> Sniffed:
    """Look at a file or folder.

    Raises:
        DataError: nothing in it can be read, or its columns have no names.
    """
    try:
        if path.is_dir():
            return _folder(path, name)
        suffix = path.suffix.lower()
        if suffix in _BINARY:
            raise DataError("is no file of rows that can be read", where=name, hint=_BINARY[suffix])
        if suffix == ".parquet":
            return Sniffed("Parquet")
        if suffix in SUFFIXES:
            return Sniffed("a gettext catalog")
        encoding = guess_encoding(path)
        with open_text(path, encoding) as file:
            lines = list(_first(Lines(file, name, encoding)))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=name) from None
    if not lines:
        raise DataError("it is empty", where=name)
    options = {} if encoding == "utf-8" else {"encoding": encoding}
    form, says, more = _written(lines, suffix, name)
    expected = "squad" if suffix == ".json" else FORMATS.get(suffix)
    options |= more if form == expected else {"format": form, **more}
    return Sniffed(f"{says}, {encoding}", options)


def _folder(path: Path, name: str) -> Sniffed:
    if any((path / file).is_file() for file in ("dataset_info.json", "dataset_dict.json")):
        return Sniffed("a folder that `datasets` saved")
    if catalogs(path):
        return Sniffed("gettext catalogs")
    texts = sorted(path.glob("*/*.txt"))
    if not texts:
        hint = "name a file; or a folder with one folder of .txt files a label, or with gettext catalogs"
        raise DataError("nothing in this folder can be read", where=name, hint=hint)
    for text in texts:
        if (encoding := guess_encoding(text)) != "utf-8":
            says = f"a folder of texts a label, some in {encoding}"
            return Sniffed(says, {"fallback_encoding": encoding})
    return Sniffed("a folder of texts a label, utf-8")


def _first(lines: Lines) -> Iterator[str]:
    characters = 0
    for line in islice(lines, _LINES):
        characters += len(line)
        if line.strip():
            yield line
        if characters > _CHARACTERS:
            return


def _written(lines: Sequence[str], suffix: str, name: str) -> tuple[str, str, dict[str, Any]]:
    """Format, what it is called, and its own options."""
    start = lines[0].lstrip("\ufeff").lstrip()
    if start[0] == "[" and suffix not in (".csv", ".tsv", ".tab"):
        return "squad", "a JSON array", {}
    if start[0] == "{":
        several = len(lines) > 1 and lines[1].lstrip().startswith("{") and start.rstrip().endswith("}")
        if several or suffix in (".jsonl", ".ndjson"):
            return "jsonl", "JSON Lines", {}
        return "squad", "JSON", {}
    if suffix == ".json":
        return "squad", "JSON", {}  # or none, as its reader will say
    mark, quoting, rows = _delimited(lines, "\t" if suffix in (".tsv", ".tab") else ",")
    _require_header(rows, mark, name)
    form = "tsv" if mark == "\t" and suffix != ".csv" else "csv"
    options: dict[str, Any] = {} if form == "tsv" or mark == "," else {"delimiter": mark}
    if quoting != ("none" if form == "tsv" else "rfc4180"):
        options["quoting"] = quoting
    return form, f"fields between {_DELIMITERS[mark]}", options


def _delimited(lines: Sequence[str], usual: str) -> tuple[str, Quoting, list[list[str]]]:
    """Delimiter and quoting under which most records have as many fields as the first, and the records."""
    best: tuple[tuple[float, ...], str, Quoting, list[list[str]]] | None = None
    quotings: tuple[Quoting, ...] = ("rfc4180", "none")
    for mark in _DELIMITERS:
        for quoting in quotings:
            rows = _parsed(lines, mark, quoting)
            width = len(rows[0]) if rows else 0
            if width < 2 and mark != usual:
                continue
            even = sum(len(row) == width for row in rows) / max(1, len(rows))
            quoted = any(cell[:1] == '"' == cell[-1:] and len(cell) > 1 for row in rows for cell in row)
            fits = (quoting == "none") == (mark == "\t") if not quoted else quoting == "rfc4180"
            score = (width > 1, even, fits, mark == usual, width)
            if best is None or score > best[0]:
                best = (score, mark, quoting, rows)
    assert best is not None  # the usual delimiter is always tried
    return best[1], best[2], best[3]


def _parsed(lines: Sequence[str], mark: str, quoting: Quoting) -> list[list[str]]:
    """Records of the lines; none where the quotes are no quotes, but for those of a last record that was cut."""
    if quoting == "none":
        return [line.rstrip("\r\n").split(mark) for line in lines]
    rows: list[list[str]] = []
    reader = csv.reader(lines, delimiter=mark, strict=True)
    try:
        rows.extend(reader)
    except csv.Error:
        if len(lines) < _LINES // 2 or reader.line_num < len(lines):
            return []
    return rows


def _require_header(rows: Sequence[Sequence[str]], mark: str, name: str) -> None:
    """Refuse a file whose first line looks like a row.

    Raises:
        DataError: with what to put above it.
    """
    header = [cell.strip().lstrip("\ufeff") for cell in rows[0]]
    values = [
        {row[column].strip() for row in rows[1:] if column < len(row) and row != rows[0]}
        for column in range(len(header))
    ]
    for cell, below in zip(header, values, strict=True):
        value = cell.replace(".", "", 1).lstrip("-").isdigit() or (cell in below)
        if not cell or value or len(cell) > _LONGEST_NAME or len(cell.split()) > _WORDS:
            names = mark.join(
                ["text", "label", *(f"column{n}" for n in range(3, len(header) + 1))][: len(header)]
            )
            raise DataError(
                f"the first line looks like a row and not like names of columns: {cell!r:.70}",
                where=f"{name}:1",
                hint=f"put a line with the names above it, such as {names!r}",
            )
