"""JSON files, written atomically, and locks between processes."""

from __future__ import annotations

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore_runtime.publishing import write_whole


def write_atomic(path: Path, data: bytes) -> None:
    """Replace `path` by `data`, whole or not at all."""
    write_whole(path, [data])


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401 (anything JSON can hold)
    """Write `value` as indented JSON, atomically."""
    write_atomic(path, (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode())


class DamagedError(UserError, ValueError):
    """A file that ftcore wrote, and that no longer holds what it wrote."""


def read_json(path: Path, *keys: str) -> Any:  # noqa: ANN401
    """Read a JSON file that ftcore wrote.

    Args:
        keys: what the object in it has; of none it may be anything.

    Raises:
        DamagedError: it holds none, or an object without one of the keys.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        what = str(error).partition("\n")[0]
        raise DamagedError(f"cannot be read: {what}", where=str(path), hint=_DAMAGED) from None
    for key in keys:
        if not isinstance(found, dict) or key not in found:
            raise DamagedError(f"has no `{key}`", where=str(path), hint=_DAMAGED)
    return found


def read_json_lines(path: Path) -> Iterator[Any]:
    """Each line of a file of JSON Lines that ftcore wrote.

    Raises:
        DamagedError: a line holds no JSON.
    """
    with path.open(encoding="utf-8") as lines:
        number = 0
        try:
            for number, line in enumerate(lines, 1):  # noqa: B007 (named in the error)
                yield json.loads(line)
        except (ValueError, RecursionError) as error:
            what = str(error).partition("\n")[0]
            raise DamagedError(f"cannot be read: {what}", where=f"{path}:{number}", hint=_DAMAGED) from None


_DAMAGED = "bring it back from a copy, or make it anew"


class LockedError(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(path: Path, patience: float | None = None) -> Iterator[None]:
    """Hold the lock that the file `path` (made if absent) stands for. It ends with the process, however that ends.

    Args:
        patience: seconds to wait for another process that has it; for ever if None.

    Raises:
        LockedError: it still has it.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        if patience is None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        else:
            end = time.monotonic() + patience
            while not _try_lock(handle, fcntl.LOCK_EX):
                if time.monotonic() > end:
                    raise LockedError(path)
                time.sleep(0.05)
        yield
    finally:
        os.close(handle)


def is_locked(path: Path) -> bool:
    """Whether a living process holds the lock."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        return not _try_lock(handle, fcntl.LOCK_SH)
    finally:
        os.close(handle)


def _try_lock(handle: int, kind: int) -> bool:
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
