"""Errors of the core. Every one that a user can fix is a `UserError` and ends with exit code 2."""

from __future__ import annotations

from enum import IntEnum

from ftcore_runtime.errors import BundleError, DataError, InputError, UserError

__all__ = [
    "REMARK",
    "BundleError",
    "CheckFailed",
    "DataError",
    "ExitCode",
    "InputError",
    "Interrupted",
    "ModelError",
    "PluginError",
    "RowDropped",
    "RowError",
    "RunFailed",
    "UserError",
]


class ExitCode(IntEnum):
    """What the process says to the shell. `meaning` is for people."""

    meaning: str

    OK = 0, "done"
    FAILED = 1, "something broke that the input does not explain; `--debug` shows the traceback"
    BAD_INPUT = 2, "bad input: the message says where, what, and how to fix it"
    CHECK_FAILED = 3, "done, but a check, a gate or a tolerance was not met"
    INTERRUPTED = 130, "interrupted (Ctrl-C); a run can be resumed"
    TERMINATED = 143, "terminated (SIGTERM); a run can be resumed"

    def __new__(cls, code: int, meaning: str = "") -> ExitCode:
        """A code with its meaning, which whoever looks a code up does not give."""
        made = int.__new__(cls, code)
        made._value_, made.meaning = code, meaning
        return made


class PluginError(UserError):
    """A plugin that is missing, broken, of another API version, or one of two with the same id."""


class ModelError(UserError):
    """A base model that cannot be found or loaded."""


class CheckFailed(Exception):
    """A tolerance was not met: the artifacts are there, and the exit code is 3."""


class RowError(ValueError):
    """One row that is not what the spec says; `column` is the source's name of the column at fault."""

    def __init__(self, what: str, column: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.column = column


class RowDropped(Exception):
    """One row that is left out and reported; `what` says why."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


#: Key of a parsed row under which it says what was fixed in it.
REMARK = "__remark__"


class RunFailed(Exception):
    """A run ended early for a reason that is no bug (the loss is NaN, the disk is full): exit code 1."""


class Interrupted(KeyboardInterrupt):
    """A run was asked to stop, and can be resumed. `exit_code` is 130 (Ctrl-C) or 143 (SIGTERM).

    Like KeyboardInterrupt it comes out of a signal handler, in any line; so no `except Exception` may catch it.
    """

    def __init__(self, exit_code: ExitCode, what: str = "interrupted") -> None:
        super().__init__(what)
        self.exit_code = exit_code
