"""The one base of every error that a user can fix: where it is, what is wrong, how to fix it."""

from __future__ import annotations


class UserError(Exception):
    """Bad input of any kind. The command line prints it without a traceback and exits with 2.

    Args:
        what: what is wrong, in one sentence.
        where: file, file:row, field or argument it was found at.
        hint: how to fix it.
    """

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        text = f"{self.where}: {self.what}" if self.where else self.what
        return f"{text}\n  help: {self.hint}" if self.hint else text


class BundleError(UserError):
    """A bundle that is not what its manifest says, or not a bundle at all."""


class InputError(UserError):
    """A text, row or file given to a bundle that it cannot answer."""


class DataError(UserError):
    """A data source that cannot be read, or a row in it that is not what it should be."""
