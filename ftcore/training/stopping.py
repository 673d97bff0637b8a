"""Ctrl-C and SIGTERM as a request: the engine ends the step it is in, writes a checkpoint, and stops."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from ftcore.errors import ExitCode, Interrupted


class StopRequest:
    """Whether somebody asked to stop, and how."""

    def __init__(self) -> None:
        self.exit_code: ExitCode | None = None

    def check(self) -> None:
        """Raise `Interrupted` if so; for places where nothing need be saved first."""
        if self.exit_code is not None:
            raise Interrupted(self.exit_code)


@contextmanager
def listen() -> Iterator[StopRequest]:
    """Turn the first SIGINT or SIGTERM into a request; a second one acts as if nobody listened."""
    request = StopRequest()
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def note(number: int, frame: FrameType | None) -> None:
        request.exit_code = ExitCode.INTERRUPTED if number == signal.SIGINT else ExitCode.TERMINATED
        for other, handler in before.items():
            signal.signal(other, handler)

    for number in before:
        signal.signal(number, note)
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
