"""Data files in many encodings, quotings, line ends and shapes, whole and broken: rows in are rows out, or an error.

Each file is read as training reads it and as `ftcore predict` does. What was written is known, so a row that is lost,
joined with another or changed shows at once; an error has to name the line.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import random
import re
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore_runtime.errors import UserError
from ftcore_runtime.rows import rows_of
from ftcore_runtime.tables import TableOptions, read_table

_TEXTS = (
    "good food", 'he said "no"', '5" wide', '"quoted"', "a, b; c", "tab\there", "two\nlines", "three\r\nmore\nlines",
    "  spaces ", "ünï çødé", "日本語 😀", "</s> [SEP]", "'", "\\", "\u2028x", "#1", "0", "1,5", "null",
)  # fmt: skip
_ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "latin-1", "cp1252")


@dataclass(frozen=True)
class File:
    """A file as it was written.

    Args:
        data: its bytes.
        form, options: how it is to be read.
        texts: of its rows; None where it was broken on purpose.
        least: records, good or bad, that it has; 0 where some were cut out.
    """

    data: bytes
    form: str
    options: TableOptions
    texts: list[str] | None
    least: int


def made(draw: random.Random) -> File:
    """One file; about half of them are broken afterwards."""
    form = draw.choice(("csv", "tsv", "jsonl", "parquet"))
    texts = [f"{draw.choice(_TEXTS)} {number}" for number in range(draw.choice((1, 5, 60, 3000)))]
    labels = [draw.choice(("a", "b", "c")) for _ in texts]
    encoding = draw.choice(_ENCODINGS)
    quoting = draw.choice(("rfc4180", "none")) if form in ("csv", "tsv") else None
    delimiter = draw.choice((None, ";", "|")) if form == "csv" else None
    mark = "\t" if form == "tsv" else delimiter or ","
    if quoting == "none":
        texts = [re.sub(r"[\r\n]", " ", text).replace(mark, " ") for text in texts]
    if form != "parquet":
        texts = [text for text in texts if _fits(text, encoding)] or ["x"]
    labels = labels[: len(texts)]
    options = TableOptions("utf-8" if encoding == "utf-8-sig" else encoding, delimiter, quoting)
    data = _written(form, texts, labels, encoding, mark, quoting, draw.choice(("\n", "\r\n")))
    if draw.random() < 0.5:
        return File(data, form, options, texts, len(texts))
    broken, whole = _broken(data, draw)
    # A byte too much shifts all that comes after it in UTF-16.
    return File(broken, form, options, None, len(texts) if whole and encoding != "utf-16" else 0)


def _fits(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return False
    return True


def _written(
    form: str, texts: list[str], labels: list[str], encoding: str, mark: str, quoting: str | None, end: str
) -> bytes:
    if form == "parquet":
        import pyarrow
        import pyarrow.parquet

        sink = io.BytesIO()
        pyarrow.parquet.write_table(pyarrow.table({"text": texts, "label": labels}), sink)
        return sink.getvalue()
    rows = list(zip(texts, labels, strict=True))
    if form == "jsonl":
        lines = [json.dumps({"text": text, "label": label}, ensure_ascii=False) for text, label in rows]
        return (end.join(lines) + end).encode(encoding)
    if quoting == "none":
        return end.join([f"text{mark}label", *(f"{text}{mark}{label}" for text, label in rows), ""]).encode(
            encoding
        )
    sheet = io.StringIO(newline="")
    writer = csv.writer(sheet, delimiter=mark, lineterminator=end)
    writer.writerows([("text", "label"), *rows])
    return sheet.getvalue().encode(encoding)


def _broken(data: bytes, draw: random.Random) -> tuple[bytes, bool]:
    """The data with something cut out or put in, and whether everything of it is still there."""
    at = draw.randrange(len(data))
    if draw.random() < 0.3:
        return draw.choice((data[:at], data[:at] + data[at + draw.randint(1, 40) :])), False
    added = draw.choice((bytes([draw.randrange(256)]), b'"', b'"', b"\0", b"\n"))
    return (data[:at] + added + data[at:] if draw.random() < 0.8 else data + data), True


def _read(file: File, path: Path) -> list[tuple[str | None, str]]:
    """Text and problem of every record."""
    records = read_table(path, "file", file.form, file.options)
    return [((record.values or {}).get("text"), record.problem or "") for record in records]


def _answered(file: File, path: Path) -> list[Any]:
    needed = TableOptions(
        file.options.encoding, file.options.delimiter, file.options.quoting, {"text": "--columns"}
    )
    return list(rows_of(read_table(path, "file", file.form, needed), ["text"]))


def wrong(file: File, path: Path) -> str | None:
    """What is wrong with the way that a file is read; None for nothing."""
    path.write_bytes(file.data)
    try:
        found = _read(file, path)
    except UserError as error:
        if file.texts is not None:
            return f"a sound file is refused: {error}"
        return None if error.where and error.where.startswith("file") else f"no location: {error}"
    if file.texts is not None:
        texts = [text for text, problem in found if not problem]
        if texts != file.texts:
            return f"{len(texts)} of {len(file.texts)} rows came back, {sum(map(bool, (p for _, p in found)))} bad"
    if len(found) < file.least and any(text for text, _ in found):
        return f"{len(found)} of {file.least} rows came back, and no error"
    try:
        answered = _answered(file, path)
    except UserError as error:
        return None if file.texts is None else f"predict refuses what training reads: {error}"
    if len(answered) != len(found):
        return f"training reads {len(found)} rows, predict {len(answered)}"
    if any(row.error is None and (row.input != text) for row, (text, _) in zip(answered, found, strict=True)):
        return "training and predict read other texts"
    return None


def campaign(count: int, seed: int = 0) -> Iterator[str]:
    """What is wrong with any of `count` files."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        for number in range(count):
            file = made(draw)
            if problem := wrong(file, Path(folder) / "file"):
                yield f"{number} ({file.form}, {file.options}): {problem}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    problems = list(campaign(arguments.count, arguments.seed))
    sys.stdout.write(f"{arguments.count} files; {len(problems)} wrong\n" + "\n".join(problems))
    raise SystemExit(bool(problems))
