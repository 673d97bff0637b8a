"""Translated strings out of gettext catalogs (.po, .mo): a file, or every one in a folder."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ftcore.data.records import Record
from ftcore.errors import DataError

#: Catalogs are read whole; those of a large desktop have some megabytes.
MAX_BYTES = 64 * 2**20
SUFFIXES = (".po", ".mo")


def catalogs(folder: Path) -> list[Path]:
    """The catalogs below `folder`, sorted; of a .po and the .mo made from it the former."""
    found = sorted(path for path in folder.rglob("*") if path.suffix in SUFFIXES and path.is_file())
    written = {path.with_suffix("") for path in found if path.suffix == ".po"}
    return [path for path in found if path.suffix == ".po" or path.with_suffix("") not in written]


def read_gettext(path: Path, name: str) -> Iterator[Record]:
    """One record a string that is translated and not marked fuzzy or obsolete.

    Columns: source, target, context (`msgctxt`, empty where there is none) and domain (the file's stem). Of a string
    with plural forms the first and the last are two records. A pair that stands in several catalogs comes once.

    Raises:
        DataError: polib is missing; a catalog that is too large, or none.
    """
    seen: set[tuple[str, str]] = set()
    for file in [path] if path.is_file() else catalogs(path):
        location = name if file == path else f"{name.rstrip('/')}/{file.relative_to(path).as_posix()}"
        for number, entry in enumerate(_open(file, location), 1):
            for source, target in _pairs(entry):
                if source and target and (source, target) not in seen:
                    seen.add((source, target))
                    values = {
                        "source": source,
                        "target": target,
                        "context": entry.msgctxt or "",
                        "domain": file.stem,
                    }
                    line = getattr(entry, "linenum", None)
                    yield Record(f"{location}:{line or number}", values)


def _open(file: Path, location: str) -> Any:  # noqa: ANN401 (polib has no types)
    try:
        import polib
    except ImportError:
        raise DataError(
            "gettext catalogs need the package polib", where=location, hint="pip install 'ftcore[generation]'"
        ) from None
    try:
        if file.stat().st_size > MAX_BYTES:
            raise DataError(f"larger than {MAX_BYTES // 2**20} MiB", where=location)
        return (polib.mofile if file.suffix == ".mo" else polib.pofile)(str(file))
    except (OSError, ValueError, LookupError, AttributeError, struct.error) as error:
        what = f"this is no gettext catalog: {str(error).replace(str(file), file.name)[:120]}"
        raise DataError(what, where=location) from None


def _pairs(entry: Any) -> list[tuple[str, str]]:  # noqa: ANN401 (polib has no types)
    if entry.obsolete or getattr(entry, "fuzzy", False):  # compiled catalogs hold neither
        return []
    if not entry.msgid_plural:
        return [(entry.msgid, entry.msgstr)]
    forms = [entry.msgstr_plural[key] for key in sorted(entry.msgstr_plural)]
    return [(entry.msgid, forms[0]), (entry.msgid_plural, forms[-1])] if forms else []
