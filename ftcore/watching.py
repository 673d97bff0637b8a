"""An observer at work next to a run: in a thread of its own, so that neither its faults nor its pace are the run's."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock, Thread
from typing import Any

#: Events that may wait for an observer; those that come on top of them are left out.
_MOST = 10_000

See = Callable[[Mapping[str, Any], Path], object]


class Watcher:
    """Shows events to one observer, in order, in the background.

    Args:
        name: what warnings call it.
        see: called with a copy of each event and the folder of its run. If it raises, it is not called again.
    """

    def __init__(self, name: str, see: See, most: int = _MOST) -> None:
        self._name = name
        self._see = see
        self._most = most
        self._waiting: SimpleQueue[tuple[Mapping[str, Any], Path] | Event] = SimpleQueue()
        self._thread: Thread | None = None
        self._failed = False
        self._left_out = 0
        self._warnings: list[str] = []
        self._lock = Lock()

    def show(self, event: Mapping[str, Any], run: Path) -> None:
        """Have it see an event, soon; returns at once.

        Args:
            run: the folder of the run that the event is of.
        """
        if self._failed:
            return
        if self._waiting.qsize() >= self._most:
            self._left_out += 1
            return
        if self._thread is None:
            self._thread = Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._waiting.put((copy.deepcopy(event), run))

    def finish(self, seconds: float) -> None:
        """Wait until it has seen all that it was shown, for so long at most."""
        if self._thread is not None:
            done = Event()
            self._waiting.put(done)
            if not done.wait(max(0.0, seconds)) and not self._failed:
                behind = f"{self._name} is slow: the run ends, and it has not seen all of it"
                self._warn(f"{behind} ({self._waiting.qsize() - 1} events wait)")
        if self._left_out:
            self._warn(f"{self._name} is slow: {self._left_out:,} events were not shown to it")
            self._left_out = 0

    def warnings(self) -> list[str]:
        """What there is to warn of since this was last asked."""
        with self._lock:
            found, self._warnings = self._warnings, []
        return found

    def _warn(self, message: str) -> None:
        with self._lock:
            self._warnings.append(message)

    def _work(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, Event):
                item.set()
            elif not self._failed:
                try:
                    self._see(*item)
                except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a plugin raises)
                    what = f"{self._name} raised {type(error).__name__}: {error}"
                    self._warn(f"{what}; it sees no more of this run")
                    self._failed = True
