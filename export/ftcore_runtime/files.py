"""The digest of a file, and the way of files to the disk."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import stat
from pathlib import Path

#: What the kernel makes up while it is read: it may be endless, or block, and its size means nothing.
_KERNEL = ("/proc/", "/sys/")


def open_regular(path: str | Path) -> io.FileIO:
    """Open a regular file to read, without waiting for anybody: a named pipe or a device could block, or never end.

    Raises:
        OSError: as `open` does; and of what is no regular file, with a `strerror` that says so.
    """
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        kind = os.fstat(handle).st_mode
        if stat.S_ISDIR(kind):
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
        if not stat.S_ISREG(kind) or os.path.realpath(path).startswith(_KERNEL):
            raise OSError(errno.EINVAL, "it is a pipe or a device, not a regular file", str(path))
        return io.FileIO(handle, closefd=True)
    except BaseException:
        os.close(handle)
        raise


def sha256(path: Path) -> str:
    """Hexadecimal SHA-256 of a regular file's bytes."""
    with open_regular(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def sync(path: Path) -> None:
    """Flush a file that a library wrote, or a folder's entries, so that a rename in it survives a power cut."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
