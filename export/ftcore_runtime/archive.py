"""A bundle as one file, and back. `unpack` is the one place where an archive becomes files.

The archive is an uncompressed tar (USTAR): compression would add little to weights, and its bytes differ from one
zlib to the next. The manifest comes first, then the other files by name; every header says the same of owner,
time and mode. So one bundle has one archive, and `unpack` takes no other than that.
"""

from __future__ import annotations

import os
import shutil
import stat
import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, Protocol

from ftcore_runtime.bundle import Bundle, file_limit, read_bundle
from ftcore_runtime.errors import BundleError
from ftcore_runtime.manifest import FILE_NAME, MANIFEST, Manifest
from ftcore_runtime.publishing import publishing

_PACKED = "give a file that `ftcore bundle pack` made"
_MOST_FILES = 100
_CHUNK = 2**20
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)


def pack(bundle: str | Path, file: str | Path) -> Path:
    """Write the bundle folder `bundle` as the archive `file`: equal bundles give equal bytes.

    Raises:
        BundleError: `bundle` is not what its manifest says, or `file` is there already, or would lie within it.
    """
    bundle, file = Path(bundle), Path(file)
    if file.exists() or file.is_symlink():
        raise BundleError("is there already", where=str(file), hint="give another name, or remove it")
    if file.resolve().is_relative_to(bundle.resolve()):
        hint = "give a name outside: a bundle holds the files of its manifest and no others"
        raise BundleError("would lie within the bundle", where=str(file), hint=hint)
    kept = read_bundle(bundle, _everything)
    with publishing(file, replace=False) as made, made.open("xb") as out:
        _write(kept, out)
    return file


def unpack(file: str | Path, folder: str | Path) -> Path:
    """Make the bundle folder `folder` of the archive `file`: verified as a whole, or not there at all.

    Members are plain files with plain names, as many and as large as a bundle's may be; each is written by its checked
    name to a new folder, which must then be a bundle, and the archive must be the very bytes that `pack` makes of it.
    Links, folders, paths, devices, sparse files, extended headers and trailing data are all refused by that.

    Raises:
        BundleError: any of this does not hold, or `folder` is there already.
    """
    file, folder = Path(file), Path(folder)
    if folder.exists() or folder.is_symlink():
        raise BundleError("is there already", where=str(folder), hint="give a folder that is not")
    with _open(file) as source, publishing(folder, replace=False) as made:
        made.mkdir()
        try:
            _extract(source, made, str(file))
        except (tarfile.TarError, EOFError, ValueError, OverflowError) as error:
            raise BundleError(
                f"is no archive of a bundle: {error!s:.100}", where=str(file), hint=_PACKED
            ) from None
        source.seek(0)
        _write(_read(made, file), _Comparison(source, str(file)))
        if source.read(1):
            raise _other_form(str(file))
    return folder


def _read(made: Path, file: Path) -> Bundle:
    """The bundle that was extracted to `made`; errors name the archive, and the member where there is one."""
    try:
        return read_bundle(made, _everything)
    except BundleError as error:
        inner = (error.where or "").removeprefix(str(made)).strip("/")
        where, hint = (f"{file}, {inner}", error.hint) if inner else (str(file), None)
        raise BundleError(error.what, where=where, hint=hint or _PACKED) from None


class _Sink(Protocol):
    def write(self, data: bytes, /) -> object: ...


class _Comparison:
    """A sink that raises as soon as what is written is not what `source` holds."""

    def __init__(self, source: BinaryIO, where: str) -> None:
        self._source = source
        self._where = where

    def write(self, data: bytes, /) -> None:
        if self._source.read(len(data)) != data:
            raise _other_form(self._where)


def _other_form(where: str) -> BundleError:
    return BundleError("holds more than a bundle, or in another form", where=where, hint=_PACKED)


def _everything(manifest: Manifest) -> Collection[str]:
    return [MANIFEST, *sorted(manifest.files)]


def _write(bundle: Bundle, out: _Sink) -> None:
    """The archive's bytes."""
    for name in _everything(bundle.manifest):
        data = bundle.contents[name]
        header = tarfile.TarInfo(name)  # owner 0, time 0, mode 0644
        header.size = len(data)
        out.write(header.tobuf(tarfile.USTAR_FORMAT))
        out.write(data)
        out.write(bytes(-len(data) % tarfile.BLOCKSIZE))
    out.write(bytes(2 * tarfile.BLOCKSIZE))


def _open(file: Path) -> BinaryIO:
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise BundleError("is no plain file", where=str(file))
        return file.open("rb")
    except OSError as error:
        raise BundleError(f"cannot be read: {error.strerror}", where=str(file)) from error


def _extract(source: BinaryIO, folder: Path, where: str) -> None:
    """Write the members of an archive to the new folder `folder`."""
    seen: set[str] = set()
    with tarfile.open(fileobj=source, mode="r:") as archive:
        while (member := archive.next()) is not None:
            name = member.name
            if not FILE_NAME.fullmatch(name) or name.lower() in seen:
                raise BundleError(f"holds a member named {name!r:.60}", where=where)
            if member.type != tarfile.REGTYPE or member.pax_headers:
                raise BundleError(f"its member {name!r} is no plain file", where=where)
            if member.size > file_limit(name) or len(seen) == _MOST_FILES:
                raise BundleError("holds more, or larger, files than a bundle does", where=where)
            seen.add(name.lower())
            data = archive.extractfile(member)
            assert data is not None  # a plain file has contents
            with os.fdopen(os.open(folder / name, _NEW, 0o644), "wb") as out:
                shutil.copyfileobj(data, out, _CHUNK)
