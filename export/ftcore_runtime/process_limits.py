"""Bounds for a process that does what outside data says: a trial of a bundle, the rendering of a template."""

from __future__ import annotations


def limit_process(memory: int, cpu_seconds: int) -> None:
    """Bound this process; where the system cannot (Windows), whoever started it bounds its time.

    Args:
        memory: bytes of private writable memory.
    """
    try:
        import resource
    except ImportError:
        return
    # Address space alone (RLIMIT_AS) is reserved in far larger pieces than are ever used.
    for kind, most in (
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, cpu_seconds),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(kind)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, hard))
