"""CPU seconds of other processes."""

from __future__ import annotations

import resource


def children_seconds() -> float:
    """CPU seconds of the processes that this one has waited for, and of theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime
