"""Files and folders that are whole or not there: made at a temporary path, flushed to the disk, then renamed.

The maker of a temporary folder holds a lock on it, which ends with the process, however that ends. So what a killed
process left behind is known from what a living one is making, and whoever publishes in the same folder next removes it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ftcore_runtime.files import sync

try:
    import fcntl
except ImportError:  # Windows: nothing is locked there, so nothing is removed for others either
    fcntl = None  # type: ignore[assignment]

_SUFFIX = ".ftcore.tmp"
_MADE, _PREVIOUS = "made", "previous"
_SHOWN = 40  # characters of the name, which must stay below the file system's limit


@contextmanager
def publishing(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Give a temporary path; the file or folder that the body makes there takes the name `path` at the end.

    A reader, a crash or a full disk finds what was there before or the new one, never a part; whatever the body raises,
    nothing is left. A folder that is replaced is renamed first, so there is a moment without either; a process that
    is killed in it leaves the old one to be put back by whoever publishes there next.

    Args:
        path: of a folder that exists.
        replace: take the place of what is there by then.

    Raises:
        FileExistsError: it is not to be replaced, or is neither a file nor a folder (`/dev/null`, say).
        FileNotFoundError: the folder does not exist; by its own name, not by that of what would be made there first.
        OSError: it cannot be written.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise FileExistsError(errno.EEXIST, "is neither a file nor a folder", str(path))
    if not path.parent.exists():
        raise FileNotFoundError(errno.ENOENT, "there is no such folder", str(path.parent))
    with temporary_folder(path.parent, path.name) as scratch, _named(path):
        made = scratch / _MADE / path.name
        made.parent.mkdir()
        yield made
        _sync_all(made)
        if not replace and (path.exists() or path.is_symlink()):
            raise FileExistsError(errno.EEXIST, "is there already", str(path))
        if made.is_dir() and path.is_dir() and not path.is_symlink():
            (scratch / _PREVIOUS).mkdir()
            path.rename(scratch / _PREVIOUS / path.name)
        made.replace(path)
        sync(path.parent)


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Errors of the system name the file that they keep from being written; those of a full disk name none."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """Replace the file `path` by the pieces."""
    with publishing(path) as made, made.open("wb") as file:
        file.writelines(pieces)


def discard(path: Path) -> None:
    """Delete a folder: whole or not at all, for whoever looks at its name."""
    with temporary_folder(path.parent, path.name) as scratch:
        path.rename(scratch / path.name)


@contextmanager
def temporary_folder(parent: Path, name: str) -> Iterator[Path]:
    """An empty hidden folder in `parent`, removed at the end; those of killed processes are removed first.

    Args:
        name: what it is for; a part of the folder's own name.
    """
    sweep(parent)
    folder, lock = _make(parent, name)
    try:
        yield folder
    finally:
        _remove(folder)
        os.close(lock)


def sweep(parent: Path) -> None:
    """Remove the temporary folders of killed processes from a folder."""
    for folder in parent.glob(f".*{_SUFFIX}") if fcntl else ():
        with suppress(OSError):  # another process's, or removed by another one meanwhile
            handle = _open(folder)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                _remove(folder)
            finally:
                os.close(handle)


def _make(parent: Path, name: str) -> tuple[Path, int]:
    """A new temporary folder, and the handle that holds its lock."""
    while True:
        folder = parent / f".{name[:_SHOWN]}.{os.urandom(4).hex()}{_SUFFIX}"
        folder.mkdir()
        try:
            handle = _open(folder)
        except FileNotFoundError:  # swept before it was locked
            continue
        try:
            if fcntl:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # being swept
            os.close(handle)
            continue
        except OSError:
            pass  # a file system without locks: nobody can lock it in order to sweep it either
        if folder.exists():
            return folder, handle
        os.close(handle)


def _open(folder: Path) -> int:
    return os.open(folder, os.O_RDONLY) if fcntl else os.open(os.devnull, os.O_RDONLY)


def _remove(folder: Path) -> None:
    """Delete a temporary folder; what was to be replaced and has not been goes back to its place."""
    previous = folder / _PREVIOUS
    for kept in previous.iterdir() if previous.is_dir() else ():
        if not (folder.parent / kept.name).exists():
            kept.rename(folder.parent / kept.name)
    shutil.rmtree(folder, ignore_errors=True)


def _sync_all(path: Path) -> None:
    """Flush a file, or a folder and all that is in it."""
    if path.is_dir():
        for entry in path.iterdir():
            _sync_all(entry)
    sync(path)
