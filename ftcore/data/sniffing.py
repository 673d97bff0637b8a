"""How a file of rows is written: format, encoding, delimiter, quotes and header, from its suffix and first lines."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from ftcore.data.conll import SUFFIXES as CONLL_SUFFIXES
from ftcore.data.conll import looks_like_conll
from ftcore.data.encodings import guess_encoding
from ftcore.data.gettext import SUFFIXES, catalogs
from ftcore.data.header import header_names
from ftcore.data.parallel import counterpart
from ftcore.errors import DataError
from ftcore_runtime.parquet import parquet_files
from ftcore_runtime.tables import FORMATS, Quoting
from ftcore_runtime.textfile import Lines, open_text

_LINES = 300  # that are looked at
_CHARACTERS = 1 << 20
_DELIMITERS = {",": "commas", "\t": "tabs", ";": "semicolons", "|": "bars"}
_BINARY = {
    **dict.fromkeys((".xls", ".ods"), "save the sheet as .xlsx, or as CSV in UTF-8"),
    **dict.fromkeys((".gz", ".zip", ".bz2", ".xz", ".zst", ".tar"), "unpack it first"),
}


@dataclass(frozen=True)
class Sniffed:
    """How a source is written.

    Args:
        says: in words.
        options: the fields of `Source` next to `path` that are not their defaults.
        target: how the name of the file with the targets ends, of parallel files; else None.
    """

    says: str
    options: dict[str, Any] = field(default_factory=dict)
    target: str | None = None

    def source(self, ref: str) -> dict[str, Any]:
        """The fields of `Source` for a file that is written alike.

        Args:
            ref: its path.
        """
        other = {} if self.target is None else {"target": ref.removesuffix(Path(ref).suffix) + self.target}
        return {"path": ref, **other, **self.options}


def sniff(path: Path, name: str) -> Sniffed:
    """Look at a file or folder.

    Raises:
        DataError: nothing in it can be read.
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
        if suffix == ".xlsx":
            return Sniffed("the sheet of a workbook")
        if (encoding := guess_encoding(path)) is None:
            raise DataError("is no file of text", where=name, hint="unpack it, or convert it to CSV in UTF-8")
        if (other := counterpart(path)) is not None:
            options = {} if encoding == "utf-8" else {"encoding": encoding}
            return Sniffed(
                f"lines, with those of {other.name} next to them, {encoding}", options, other.suffix
            )
        with open_text(path, encoding) as file:
            lines = list(_first(Lines(file, name, encoding)))
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=name) from None
    if not lines:
        raise DataError("it is empty", where=name)
    options = {} if encoding == "utf-8" else {"encoding": encoding}
    form, says, more = _written(lines, suffix, name)
    expected = "squad" if suffix == ".json" else "conll" if suffix in CONLL_SUFFIXES else FORMATS.get(suffix)
    options |= more if form == expected else {"format": form, **more}
    return Sniffed(f"{says}, {encoding}", options)


def _folder(path: Path, name: str) -> Sniffed:
    if any((path / file).is_file() for file in ("dataset_info.json", "dataset_dict.json")):
        return Sniffed("a folder that `datasets` saved")
    if catalogs(path):
        return Sniffed("gettext catalogs")
    if parquet_files(path):
        return Sniffed("a folder of Parquet")
    texts = sorted(path.glob("*/*.txt"))
    if not texts:
        hint = "name a file; or a folder with one folder of .txt files a label, with .parquet files or gettext catalogs"
        raise DataError("nothing in this folder can be read", where=name, hint=hint)
    for text in texts:
        if (encoding := guess_encoding(text)) not in ("utf-8", None):
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
    if suffix in CONLL_SUFFIXES or looks_like_conll(lines):
        return "conll", "words with their tags", {}
    mark, quoting, rows = _delimited(lines, "\t" if suffix in (".tsv", ".tab") else ",")
    header = header_names(rows)
    form = "tsv" if mark == "\t" and suffix != ".csv" else "csv"
    options: dict[str, Any] = {} if form == "tsv" or mark == "," else {"delimiter": mark}
    if quoting != ("none" if form == "tsv" else "rfc4180"):
        options["quoting"] = quoting
    says = f"fields between {_DELIMITERS[mark]}"
    return (
        (form, says, options)
        if header is None
        else (form, f"{says}, no header", {**options, "header": header})
    )


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
