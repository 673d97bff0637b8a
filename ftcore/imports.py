"""Imports of much that lives as long as the process."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager


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
        if gc.get_freeze_count() and len(sys.modules) > before:
            gc.freeze()
        if enabled:
            gc.enable()
