"""Ctrl-C while native code runs: onnxruntime and tokenizers come back to Python when they are done, or never."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")

_working: list[threading.Thread] = []


@contextmanager
def ended_by_ctrl_c() -> Iterator[None]:
    """Within, Ctrl-C ends the process itself, whoever holds the interpreter's lock: for what leaves nothing behind.

    A shell sees exit code 130 all the same. Where somebody else listens to the signal already, nothing changes.
    """
    listener = signal.getsignal(signal.SIGINT)
    if (
        listener is not signal.default_int_handler
        or threading.current_thread() is not threading.main_thread()
    ):
        yield
        return
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, listener)


def interruptible(work: Callable[[], T]) -> T:
    """What `work` gives, or raises; KeyboardInterrupt is raised here at once, and `leave` gives the work up."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 (raised where it is waited for)
            done.set_exception(error)

    thread = threading.Thread(target=run, name="work", daemon=True)
    _working.append(thread)
    thread.start()
    return done.result()


def leave(code: int, *, at_once: bool = False) -> int:
    """`code`, to exit with; where native code is still at work, or `at_once`, the process ends here.

    Python's own exit would wait for that code, or take away under it what it works with.
    """
    if at_once or any(thread.is_alive() for thread in _working):
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os._exit(code)
    return code
