"""`ftcore serve` whose event loop is watched: `python benchmarks/serving_watched.py` and the command's arguments.

A timer of 5 ms that comes late by more than 20 ms is logged as `late`: by how many milliseconds, and how much CPU time
the process took meanwhile. Beyond that CPU time other processes had the machine, and the server is not to blame.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any

from ftcore.cli import main
from ftcore_server import logs, process

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
        began, cpu = time.perf_counter(), time.process_time()
        await asyncio.sleep(_EVERY)
        late = time.perf_counter() - began - _EVERY
        if late > _LATE:
            used = time.process_time() - cpu
            logs.event("late", milliseconds=round(1000 * late, 1), cpu=round(1000 * used, 1))


if __name__ == "__main__":
    process.Server = Watched  # type: ignore[misc]
    raise SystemExit(main(["serve", *sys.argv[1:]]))
