"""Find what a source of the spec names: its format, its files, its fingerprint and its reader."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.data.formats import Format, find_format
from ftcore.data.records import Record, read_dataset, read_rows
from ftcore.errors import DataError, UserError
from ftcore.locate import locate
from ftcore.spec.sections import DATASET, Source
from ftcore_runtime.files import sha256
from ftcore_runtime.object_store import StoredObject, find_objects, is_address
from ftcore_runtime.tables import read_table
from ftcore_runtime.textfile import codec_of

_STORED = "parquet"  # the format of objects in a store


@dataclass(frozen=True)
class Opened:
    """A source that was found and is ready to be read.

    Args:
        name: the source as written, the `file` of every `file:row`.
        kind: the name of its format, or dataset, hub or rows.
        bytes: size of its content.
        sha256: of its content, in hex; of a single file simply the file's own; of objects in a store of their names,
            sizes and ETags.
        records: starts reading from the first row.
        file: where its content is, of a single file.
        encoding: of that file, as its section gives it; None where it is no text.
        field: the section of the spec that names it and says how it is written; None of one that a command names.
    """

    name: str
    kind: str
    bytes: int
    sha256: str
    records: Callable[[], Iterator[Record]]
    file: Path | None = None
    encoding: str | None = None
    field: str | None = None


def open_source(source: Source, role: str, base_dir: Path, field: str | None = None) -> Opened:
    """Find a source and take its fingerprint; nothing is parsed yet.

    Args:
        role: `train`, `validation` or `test`: the split to take from several.
        field: the spec's field in errors; `data.` and the role unless given.

    Raises:
        DataError: not there, of an unknown format, not readable, or with an option that does not apply to it.
    """
    field = field or f"data.{role}"
    if source.rows is not None:
        _only(source, field, "rows", ())
        content = json.dumps(source.rows, sort_keys=True, default=str).encode()
        rows = source.rows
        return Opened(
            f"{field}.rows", "rows", len(content), _sha256(content), lambda: read_rows(rows, f"{field}.rows")
        )
    if source.hub is not None:
        _only(source, field, "hub", ("config", "split"))
        return _opened_dataset(_load_hub(source, field), source, role, source.hub, "hub")
    return _open_path(source, role, field, base_dir)


def _open_path(source: Source, role: str, field: str, base_dir: Path) -> Opened:
    name = source.path or ""
    if is_address(name):
        return _opened_objects(source, field)
    try:
        path = locate(name, base_dir)
    except UserError as error:
        raise DataError(error.what, where=field, hint=error.hint) from None
    form = find_format(source, path, name)
    if not _fits(form, path):
        is_a = "a folder" if path.is_dir() else "a file"
        kind = DATASET if form is None else form.name
        raise DataError(f"this is {is_a}, and {field}.format says {kind}", where=name)
    if form is None:
        _only(source, field, DATASET, ("split",))
        return _opened_dataset(_load_folder(path, name), source, role, name, DATASET)
    _only(source, field, form.name, form.options)
    target = _target(source, form, field, base_dir)
    codec_of(source.encoding, f"{field}.encoding")
    if source.fallback_encoding is not None:
        codec_of(source.fallback_encoding, f"{field}.fallback_encoding")
    read = form.read
    try:
        if path.is_dir() and form.files is not None:
            files = form.files(path)
            if not files:
                raise DataError(f"no file of the format {form.name} in it", where=name, hint=form.layout)
            size, digest = _files_digest(files, path)
        elif target is not None:
            size, digest = _files_digest([path, target])
        else:
            size, digest = path.stat().st_size, sha256(path)
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror}", where=name) from None
    if target is not None:
        source = source.model_copy(update={"target": str(target)})
    file = path if path.is_file() else None
    encoding = source.encoding if file and "encoding" in form.options else None
    return Opened(name, form.name, size, digest, lambda: read(path, name, source), file, encoding, field)


def _opened_objects(source: Source, field: str) -> Opened:
    """Parquet in a store, of the version that it has now."""
    name = source.path or ""
    if source.format not in (None, _STORED):
        what = f"an object of a store is read as Parquet, and {field}.format says {source.format}"
        raise DataError(what, where=name, hint="save it as Parquet; other formats are read from local files")
    _only(source, field, _STORED, ())
    objects = find_objects(name, field)
    content = json.dumps([[one.path.rpartition("/")[2], one.size, one.version] for one in objects])
    size = sum(one.size for one in objects)
    return Opened(
        name, _STORED, size, _sha256(content.encode()), lambda: _object_records(objects), field=field
    )


def _object_records(objects: Iterable[StoredObject]) -> Iterator[Record]:
    for one in objects:
        yield from read_table(one, one.name, _STORED)


def _target(source: Source, form: Format, field: str, base_dir: Path) -> Path | None:
    """The file that `target` names; None where the format has none."""
    if "target" not in form.options:
        return None
    if source.target is None:
        hint = f"name the file of the targets in {field}.target"
        raise DataError(f"{form.name} needs a second file", where=field, hint=hint)
    try:
        return locate(source.target, base_dir)
    except UserError as error:
        raise DataError(error.what, where=f"{field}.target", hint=error.hint) from None


def _fits(form: Format | None, path: Path) -> bool:
    """Whether a path is a file or a folder as its format is (None: a folder that `datasets` saved)."""
    if path.is_dir():
        return form is None or form.files is not None
    return form is not None and form.single


def _only(source: Source, field: str, kind: str, allowed: Collection[str]) -> None:
    """Refuse an option that would be ignored."""
    defaults = {
        "delimiter": None,
        "quoting": None,
        "encoding": "utf-8",
        "fallback_encoding": None,
        "header": None,
        "target": None,
        "sheet": None,
        "config": None,
        "split": None,
    }
    if kind in ("hub", "rows"):
        defaults["format"] = None
    for option, default in defaults.items():
        if option not in allowed and getattr(source, option) != default:
            raise DataError(
                f"`{option}` does not apply to {kind}", where=f"{field}.{option}", hint="leave it out"
            )


def _load_hub(source: Source, field: str) -> Any:  # noqa: ANN401 (datasets is not typed here)
    import datasets

    hub = source.hub or ""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", hub):
        # A bare name could be one of the loaders inside `datasets`, not a data set.
        raise DataError(f"{hub!r} is not of the form `owner/name`", where=f"{field}.hub")
    if Path(hub).exists():
        # `datasets` would take the folder of that name in the working directory.
        raise DataError(
            f"{hub!r} is also a local path", where=f"{field}.hub", hint="use `path` for it, or rename it"
        )
    try:
        return datasets.load_dataset(hub, source.config)
    except ConnectionError:
        hint = "connect, or use a local copy with `path`"
        raise DataError("the Hub cannot be reached, and no copy is cached", where=hub, hint=hint) from None
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"cannot be loaded: {str(error).partition(chr(10))[0]}", where=hub) from None


def _load_folder(path: Path, name: str) -> Any:  # noqa: ANN401 (datasets is not typed here)
    import datasets

    try:
        return datasets.load_from_disk(str(path))
    except (OSError, ValueError, KeyError, TypeError) as error:
        what = f"not a folder that `datasets` saved: {str(error).partition(chr(10))[0]}"
        raise DataError(what, where=name) from None


def _opened_dataset(dataset: Any, source: Source, role: str, name: str, kind: str) -> Opened:  # noqa: ANN401
    """Pick the split: the one named, else the one called like its role, else the only one there is."""
    if isinstance(dataset, dict):
        split = source.split or role
        if split not in dataset:
            there = ", ".join(dataset)
            raise DataError(
                f"no split {split!r}; it has {there}", where=name, hint=f"set data.{role}.split to one"
            )
        dataset, name = dataset[split], f"{name}[{split}]"
    elif source.split is not None and source.split != str(dataset.split):
        raise DataError("it holds one split only", where=name, hint=f"leave out data.{role}.split")
    files = [Path(file["filename"]) for file in dataset.cache_files]
    size, digest = _files_digest(files)
    content = json.dumps([digest, dataset.features.to_dict()], sort_keys=True).encode()
    return Opened(name, kind, size, _sha256(content), lambda: read_dataset(dataset, name))


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _files_digest(files: Iterable[Path], root: Path | None = None) -> tuple[int, str]:
    """Bytes and SHA-256 of several files, in the order given; with `root`, of their names below it too."""
    size, digest = 0, hashlib.sha256()
    for path in files:
        size += path.stat().st_size
        digest.update(f"{path.relative_to(root).as_posix() if root else ''}\0{sha256(path)}\n".encode())
    return size, digest.hexdigest()
