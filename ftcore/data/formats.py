"""Formats that rows are read from: what one is, and how the one of a source is found."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ftcore.data.records import Record
from ftcore.errors import DataError, PluginError
from ftcore.plugins import PluginRegistry
from ftcore.spec.sections import DATASET, Source

_DATASET_FILES = ("dataset_info.json", "dataset_dict.json")


@dataclass(frozen=True, kw_only=True)
class Format:
    """A format, as an entry point of the group `ftcore.sources` names it.

    Args:
        name: what `format` of a source says.
        read: yields the rows of a source, given its path, its name in messages, and its section of the spec.
        suffixes: of the files that are in it unless `format` says otherwise, lower-case, with the dot.
        options: fields of the section that apply to it; another one that is set is an error.
        files: the files of a folder in this format, whose names and content are its fingerprint; None where it is
            always a single file.
        single: whether a single file is in it, too.
        recognised: whether a folder with such files is in it although `format` does not say so.
        layout: what such a folder looks like, for the message about one that has no such files.
    """

    name: str
    read: Callable[[Path, str, Source], Iterator[Record]]
    suffixes: tuple[str, ...] = ()
    options: frozenset[str] = frozenset()
    files: Callable[[Path], Sequence[Path]] | None = None
    single: bool = True
    recognised: bool = False
    layout: str | None = None


def find_format(source: Source, path: Path, name: str) -> Format | None:
    """The format that a source names, or that its suffix or its files say; None for a folder that `datasets` saved.

    Raises:
        DataError: nothing says which.
        PluginError: the format cannot be loaded, or may not be.
    """
    registry = PluginRegistry.discover()
    if source.format == DATASET or (source.format is None and path.is_dir() and _is_dataset(path)):
        return None
    if source.format is None and source.target is not None:
        return registry.source("parallel", Format)
    if source.format is not None:
        return registry.source(source.format, Format)
    found = _formats(registry)
    if path.is_dir():
        for one in found:
            if one.recognised and one.files is not None and one.files(path):
                return one
        hint = (
            "a folder is one that `datasets` saved, or has one folder of .txt files a label, .parquet files or"
            " gettext catalogs"
        )
        raise DataError("nothing in this folder can be read", where=name, hint=hint)
    suffix = path.suffix.lower()
    for one in found:
        if suffix in one.suffixes:
            return one
    suffixes = ", ".join(suffix for one in found for suffix in one.suffixes)
    names = ", ".join(one.name for one in found if one.single)
    hint = f"the suffixes known are {suffixes}; for another one say `format:` and one of {names}"
    raise DataError(f"the suffix {path.suffix!r} says no format", where=name, hint=hint)


def _is_dataset(path: Path) -> bool:
    return any((path / file).is_file() for file in _DATASET_FILES)


def _formats(registry: PluginRegistry) -> list[Format]:
    """The formats that load, those of ftcore first; what is wrong with another one must not keep a CSV from it."""
    found = []
    for info in sorted(registry.infos("source"), key=lambda info: info.origin != "shipped"):
        try:
            found.append(registry.source(info.id, Format))
        except PluginError:  # `ftcore plugins` lists it with its problem, and so does a spec that names it
            continue
    return found
