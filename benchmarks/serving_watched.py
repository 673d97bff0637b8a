"""`ftcore serve` whose event loop is watched: `python benchmarks/serving_watched.py` and the command's arguments.

A timer of 5 ms that comes late by more than 20 ms is logged as `late`: by how many milliseconds, how long the loop's
thread was ready to run meanwhile and waited for a processor, and how much CPU time the process took. What other
processes took of the machine is in the second, and beyond the third: the server is not to blame for either.
"""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from ftcore.cli import main
from ftcore_server import logs, process

_WAITED = Path("/proc/thread-self/schedstat")  # nanoseconds: on a processor, waiting for one; Linux
_EVERY = 0.005
_LATE = 0.02


class Watched(process.Server):
    """The server, with the timer."""

    async def startup(self, sockets: Any = None) -> None:
        """Start both."""
        await super().startup(sockets)
        self._watch = asyncio.create_task(_watch())


async def _watch() -> None:
    while True:
        began, cpu, waited = time.perf_counter(), time.process_time(), _waited()
        await asyncio.sleep(_EVERY)
        late = time.perf_counter() - began - _EVERY
        if late > _LATE:
            used, stood = time.process_time() - cpu, _waited() - waited
            logs.event("late", milliseconds=_ms(late), waited=_ms(stood), cpu=_ms(used))


def _ms(seconds: float) -> float:
    return round(1000 * seconds, 1)


def _waited() -> float:
    """Seconds that the thread of the loop has waited for a processor so far."""
    return int(_WAITED.read_text().split()[1]) / 1e9 if _WAITED.exists() else 0.0


if __name__ == "__main__":
    process.Server = Watched  # type: ignore[misc]
    raise SystemExit(main(["serve", *sys.argv[1:]]))
