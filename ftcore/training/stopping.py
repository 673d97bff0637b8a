"""Ctrl-C and SIGTERM: at once where nothing would be lost, at the end of the step where a model is in training.

Reading, tokenising, measuring and exporting write what they write beside and rename it, so they may be broken
off anywhere. Training defers the stop until the step is done and its checkpoint written.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ftcore.errors import ExitCode, Interrupted


class StopRequest:
    """Whether somebody asked to stop, how, and whether that waits for a good moment."""

    def __init__(self) -> None:
        self.exit_code: ExitCode | None = None
        self._deferred = False

    def ask(self, exit_code: ExitCode) -> None:
        """Ask to stop.

        Raises:
            Interrupted: right here, unless stops are deferred.
        """
        self.exit_code = exit_code
        if not self._deferred:
            raise Interrupted(exit_code)

    @contextmanager
    def deferred(self) -> Iterator[None]:
        """Within, a stop is noted only: the block looks at `exit_code`. What it left is raised at its end."""
        with self._as(deferred=True):
            yield
        self._check()

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """Within, a stop is raised wherever it comes, also one that was asked for before."""
        with self._as(deferred=False):
            self._check()
            yield

    @contextmanager
    def _as(self, *, deferred: bool) -> Iterator[None]:
        before, self._deferred = self._deferred, deferred
        try:
            yield
        finally:
            self._deferred = before

    def _check(self) -> None:
        if self.exit_code is not None and not self._deferred:
            raise Interrupted(self.exit_code)


@contextmanager
def listen() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; a second one acts as if nobody listened."""
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        for other, handler in before.items():
            signal.signal(other, handler)
        request.ask(ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
