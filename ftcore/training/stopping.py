"""Ctrl-C and SIGTERM: at once where nothing would be lost, at the end of the step where a model is in training.

Reading, tokenising, measuring and exporting write under a temporary name and rename it, so they may be broken
off anywhere. Training defers the stop until the step is done and its checkpoint written.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from ftcore.errors import ExitCode, Interrupted

_Handler = Callable[[int, FrameType | None], Any] | int | None

#: What Python does with a signal that nobody listens for.
_DEFAULT: dict[int, _Handler] = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}


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
    """Turn the first SIGINT or SIGTERM into a request; a second one acts as if nobody listened.

    That is what Python does by itself (`KeyboardInterrupt`, or the end of the process) also where the signal was
    ignored before: a shell without job control starts `command &` with SIGINT ignored, and a run that somebody
    stops twice must not go on for that.
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request  # signals are the main thread's
        return
    before = {number: signal.getsignal(number) for number in _DEFAULT}
    # None stands for a handler of C code, which Python can neither call nor put back.
    unheard: dict[int, _Handler] = {
        n: _DEFAULT[n] if handler in (signal.SIG_IGN, None) else handler for n, handler in before.items()
    }

    def note(number: int, frame: FrameType | None) -> None:
        if request.exit_code is not None:
            signal.signal(number, unheard[number])
            signal.raise_signal(number)
            return
        # First of all, so that a signal that comes within this function is the second one. Only this signal's
        # handler may change: the other one may have come as well, and Python would have nobody to hand it to.
        request.exit_code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
        if unheard[number] == signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)  # ends the process even while the main thread is in C code
        request.ask(request.exit_code)

    try:
        for number in before:
            signal.signal(number, note)
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, _DEFAULT[number] if handler is None else handler)
