"""Keeps `run.json` true while a process is at work on a run, and says of a run what became of it.

The process holds the run's lock, which the system takes back however it ends. So a run that says "running" and
whose lock is free was killed: it is "stopped".
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from ftcore import processes
from ftcore.errors import ExitCode, Interrupted, RunFailed, UserError
from ftcore.files import LockedError, is_locked, locked
from ftcore.runs.folder import RunFolder, Status
from ftcore.system_errors import SYSTEM, sentence, system_error

_PATIENCE = 2.0  # seconds: `ftcore runs` holds a lock for an instant when it looks


def status_of(folder: RunFolder) -> Status:
    """What became of a run: its record's status, or "stopped" where the process that ran it was killed."""
    status: Status = folder.record()["status"]
    return "stopped" if status == "running" and not is_locked(folder.lock_file) else status


@contextmanager
def at_work(folder: RunFolder) -> Iterator[None]:
    """Mark the run "running", and at the end what became of it. Of several processes the first does so for all.

    Raises:
        UserError: another process is at work on the run.
        Interrupted: Ctrl-C or SIGTERM; the run says "interrupted" and can be resumed.
        RunFailed: the disk is full, read-only, ...
    """
    if not processes.is_first():
        yield
        return
    try:
        with locked(folder.lock_file, _PATIENCE):
            folder.mark("running", error=None, process={"pid": os.getpid(), "host": platform.node()})
            begun = time.monotonic()
            try:
                yield
            except KeyboardInterrupt as stop:
                _end(folder, "interrupted", begun)
                raise stop if isinstance(stop, Interrupted) else Interrupted(ExitCode.INTERRUPTED) from None
            except BaseException as error:
                _end(folder, "failed", begun, str(error))
                raise
            folder.mark("finished", seconds=_seconds(folder, begun))
    except LockedError:
        by = folder.record().get("process") or {}
        raise UserError(
            f"another process is at work on this run (pid {by.get('pid')} on {by.get('host')})",
            where=str(folder.path),
            hint="wait until it is done, or end it",
        ) from None
    except Exception as error:
        if (cause := system_error(error)) is None or cause.errno not in SYSTEM:
            raise
        raise RunFailed(
            f"{sentence(cause)}; what was written before stands\n  help: fix that, then resume with"
            f" `ftcore resume {folder.path}`"
        ) from error


def _seconds(folder: RunFolder, begun: float) -> float:
    """Seconds that processes were at work on the run, those of this one since `begun` included."""
    before: float = folder.record().get("seconds", 0.0)
    return round(before + time.monotonic() - begun, 1)


def _end(folder: RunFolder, status: Status, begun: float, error: str | None = None) -> None:
    # On a full disk this fails as well; then the reason for the end matters more, and the run shows as "stopped".
    with suppress(OSError):
        folder.mark(status, error=error, seconds=_seconds(folder, begun))
