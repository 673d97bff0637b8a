"""Objects in a store that speaks S3, read in blocks and written whole or not at all; needs pyarrow.

An address is `s3://bucket/key.parquet`, or `s3://bucket/folder/` for the `.parquet` objects in a folder. Store and
credentials come from the environment, as for AWS's own tools, and no message has them.
"""

from __future__ import annotations

import mmap
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from ftcore_runtime.errors import DataError
from ftcore_runtime.store_connection import connect, explained, missing

PREFIX = "s3://"
_SUFFIX = ".parquet"
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]+")


def is_address(name: str) -> bool:
    """Whether a name is meant for a store, and not for this machine."""
    return name.startswith(PREFIX)


def path_of(address: str, where: str) -> str:
    """Bucket and key of an address.

    Args:
        where: the field or option that has it. The address itself may hold a password, which no message shows.

    Raises:
        DataError: it is not of the form.
    """
    path = address.removeprefix(PREFIX)
    bucket, _, key = path.partition("/")
    if "@" in bucket or set("?#") & {*path}:
        what = "an address has no user, no password and no query: `s3://bucket/key`"
        raise DataError(what, where=where, hint="set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY instead")
    parts = key.removesuffix("/").split("/")
    if not _BUCKET.fullmatch(bucket) or (key and {"", ".", ".."} & {*parts}) or not path.isprintable():
        what = f"{address!r:.200} is no address: s3://bucket/key{_SUFFIX}, or s3://bucket/folder/"
        raise DataError(what, where=where)
    return path


@dataclass(frozen=True)
class StoredObject:
    """An object as it was found. What is read of it is of this version, or an error.

    Args:
        path: bucket and key.
        size: in bytes.
        version: its ETag; of a store that has none, when it was written.
    """

    path: str
    size: int
    version: str

    @property
    def name(self) -> str:
        """Its address."""
        return PREFIX + self.path


def find_objects(address: str, where: str) -> tuple[StoredObject, ...]:
    """The object of an address, or the `.parquet` objects of a folder in the order of their names.

    Args:
        where: see `path_of`.

    Raises:
        DataError: there is none, it cannot be read, or the address is of something else.
    """
    path, store = path_of(address, where), connect()
    if path.endswith("/"):
        paths = [path + name for name in sorted(_sizes(store, path)) if name.endswith(_SUFFIX)]
        if not paths:
            raise missing(address, store, f"there is no {_SUFFIX} object in this folder")
        return tuple(_find(store, one) for one in paths)
    if not path.lower().endswith(_SUFFIX):
        hint = f"save it as Parquet (other formats are read from local files); a folder of {_SUFFIX} objects ends in /"
        raise DataError(f"an object of a store is read if it is called *{_SUFFIX}", where=address, hint=hint)
    return (_find(store, path),)


class ObjectFile:
    """The content of an object, as a file that pyarrow reads; each read makes sure of the version."""

    closed = False

    def __init__(self, found: StoredObject) -> None:
        self._found, self._store = found, connect()
        with explained(found.name, self._store):
            self._file = self._store.open_input_file(found.path)
        self._require_version(self._file)

    def read(self, size: int = -1) -> bytes:
        """So many bytes, or up to the end."""
        with explained(self._found.name, self._store):
            data: bytes = self._file.read(None if size < 0 else size)
            with self._store.open_input_file(self._found.path) as now:
                self._require_version(now)
        return data

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a byte."""
        position: int = self._file.seek(offset, whence)
        return position

    def tell(self) -> int:
        """The byte that is read next."""
        position: int = self._file.tell()
        return position

    def close(self) -> None:
        """Read no more."""
        self.closed = True
        self._file.close()

    def _require_version(self, file: Any) -> None:  # noqa: ANN401 (pyarrow has no types)
        if (file.size(), _version(file)) != (self._found.size, self._found.version):
            hint = "start again once nothing writes to it"
            raise DataError("it was changed while it was being read", where=self._found.name, hint=hint)


@dataclass(frozen=True)
class ObjectFolder:
    """A folder of a store, to write objects into.

    Args:
        address: `s3://bucket/folder/`.
    """

    address: str

    @classmethod
    def of(cls, address: str, where: str) -> ObjectFolder:
        """The folder of an address, with or without its last slash.

        Raises:
            DataError: see `path_of`; or it is a bucket alone.
        """
        if "/" not in path_of(address, where).removesuffix("/"):
            what = "names a bucket, and no folder in it"
            raise DataError(what, where=where, hint="give s3://bucket/folder/")
        return cls(address.removesuffix("/") + "/")

    def __str__(self) -> str:
        return self.address

    def names(self) -> set[str]:
        """What is in it; nothing where it is not there yet.

        Empty objects do not count: they mark folders, or are what is left of a `write` that was interrupted before it
        gave the store anything.

        Raises:
            DataError: it cannot be listed.
        """
        return {name for name, size in _sizes(connect(), self._path).items() if size}

    def read(self, name: str) -> bytes:
        """The content of an object of it."""
        with (
            explained(self.address + name, connect()) as store,
            store.open_input_stream(self._path + name) as file,
        ):
            data: bytes = file.read()
        return data

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Put an object there, whole or not at all.

        Raises:
            DataError: it cannot be written.
        """
        from tempfile import TemporaryFile  # whoever loads a bundle imports this file, and stores nothing

        with TemporaryFile() as made:
            made.writelines(pieces)
            size = made.tell()
            made.flush()
            # In one piece: a stream that is closed in the middle would leave what it had been given by then.
            data = mmap.mmap(made.fileno(), size, access=mmap.ACCESS_READ) if size else b""
            with (
                explained(self.address + name, connect()) as store,
                store.open_output_stream(self._path + name) as file,
            ):
                file.write(data)

    @property
    def _path(self) -> str:
        return self.address.removeprefix(PREFIX)


def _sizes(store: Any, path: str) -> dict[str, int]:  # noqa: ANN401 (pyarrow has no types)
    """Name and bytes of the objects in a folder, without those in folders of it."""
    from pyarrow.fs import FileSelector, FileType

    with explained(PREFIX + path, store):
        found = store.get_file_info(FileSelector(path.removesuffix("/"), allow_not_found=True))
    return {one.base_name: one.size for one in found if one.type == FileType.File}


def _find(store: Any, path: str) -> StoredObject:  # noqa: ANN401 (pyarrow has no types)
    with explained(PREFIX + path, store), store.open_input_file(path) as file:
        return StoredObject(path, file.size(), _version(file))


def _version(file: Any) -> str:  # noqa: ANN401 (pyarrow has no types)
    found = file.metadata() or {}
    return (found.get("ETag") or found.get("Last-Modified") or b"").decode()
