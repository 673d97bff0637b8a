"""Imports of much that lives as long as the process."""

from __future__ import annotations

import gc
import importlib
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile.

    torch and transformers are half a million objects. While they are imported, Python looks through all that are there
    again and again, a sixth of the time, and finds nothing. In a process that has frozen what it began with, as the
    program does, they are not looked through later either; in anybody else's, objects may become garbage. So may they
    where all had been imported before: what is there then is what the process has worked with.
    """
    enabled, before = gc.isenabled(), len(sys.modules)
    gc.disable()
    try:
        yield
    finally:
        if len(sys.modules) > before and gc.get_freeze_count():
            gc.freeze()
        if enabled:
            gc.enable()


@contextmanager
def imported_meanwhile(*modules: str) -> Iterator[None]:
    """Import modules in another thread while the body works in code that lets go of Python's lock, as torch's does.

    What cannot be imported raises where it is needed.
    """

    def load() -> None:
        for name in modules:
            with suppress(ImportError):
                importlib.import_module(name)

    thread = threading.Thread(target=load, name="imports")
    thread.start()
    try:
        yield
    finally:
        thread.join()
