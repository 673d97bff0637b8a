"""Parallel text files: a text a line, and in another file what belongs to it on the same line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import zip_longest
from pathlib import Path

from ftcore.data.records import Record
from ftcore.errors import DataError
from ftcore_runtime.tables import TableOptions, read_table

#: The end of a name by which files of two languages differ: `.en`, `.de`, `.zh_CN`.
_LANGUAGE = re.compile(r"\.([a-z]{2,3}(?:[-_][A-Za-z]{2,4})?)")
_NO_LANGUAGE = (".csv", ".tsv", ".tab", ".txt", ".mo", ".po", ".bio", ".iob")


def read_parallel(path: Path, target: Path, name: str, target_name: str, encoding: str) -> Iterator[Record]:
    """One record a line: `source` and `target`. Lines that are empty in both files are left out.

    Raises:
        DataError: a file cannot be read, or one has more lines.
    """
    options = TableOptions(encoding)
    pairs = zip_longest(
        read_table(path, name, "txt", options), read_table(target, target_name, "txt", options)
    )
    for source, other in pairs:
        if source is None or other is None:
            longer, shorter = (name, target_name) if other is None else (target_name, name)
            number = (source or other).number
            what = f"{shorter} ends before this line of {longer}: which lines belong together is in doubt"
            raise DataError(what, where=f"{longer}:{number}", hint="give files with as many lines each")
        first, second = (record.values["text"] if record.values else "" for record in (source, other))
        problem = source.problem or (f"{target_name}: {other.problem}" if other.problem else "")
        if problem or first.strip() or second.strip():
            yield Record(source.location, {"source": first, "target": second}, problem, source.number)


def counterpart(path: Path) -> Path | None:
    """The file next to one whose name ends with another language and is the same otherwise; None unless it is one."""
    if not _LANGUAGE.fullmatch(path.suffix) or path.suffix in _NO_LANGUAGE:
        return None
    others = [
        other
        for other in path.parent.glob(f"{path.stem}.*")
        if other != path
        and other.is_file()
        and _LANGUAGE.fullmatch(other.suffix)
        and other.suffix not in _NO_LANGUAGE
    ]
    return others[0] if len(others) == 1 else None
