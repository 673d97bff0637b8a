"""Imports of much that lives as long as the process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[None]:
    """Collect no garbage meanwhile.

    torch and transformers are half a million objects. While they are imported, Python looks through all that are there
    again and again, a sixth of the time, and finds nothing. In a process that has frozen what it began with, as the
    program does, they are not looked through later either; in anybody else's, objects may become garbage.
    """
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if gc.get_freeze_count():
            gc.freeze()
        if enabled:
            gc.enable()
