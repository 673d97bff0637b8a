"""The run's one stream of events: appended to events.jsonl, and shown to whoever listens.

Progress bars, observers (the hook `ftcore_event`) and the report all read these; nobody prints on the side.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ftcore.watching import Watcher

Listener = Callable[[Mapping[str, Any]], object]
#: Writes one event of a kind, with its fields: see `EventLog.emit`.
Emit = Callable[..., None]


class EventLog:
    """Appends events to a file, one JSON object a line, and passes each on to its listeners.

    Args:
        path: events.jsonl, made if absent; None keeps the events to the listeners (other ranks than the first).
        listeners: called with every event, in order.
        watchers: are shown every event, in the background; what is wrong with them becomes an event `warning`.
    """

    def __init__(
        self,
        path: Path | None,
        listeners: tuple[Listener, ...] = (),
        watchers: tuple[Watcher, ...] = (),
    ) -> None:
        self._watchers = watchers
        self._run = Path() if path is None else path.parent
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        self._listeners = listeners

    def emit(self, kind: str, **fields: Any) -> None:  # noqa: ANN401 (anything JSON can hold)
        """Write one event. `kind` is a verb in the past or a noun: `step`, `evaluated`, `checkpoint_saved`..."""
        event = {"time": datetime.now(UTC).isoformat(timespec="milliseconds"), "event": kind, **fields}
        if self._file is not None:
            # One write a line: a killed process leaves whole lines only.
            os.write(self._file, (json.dumps(event, ensure_ascii=False) + "\n").encode())
        for listener in self._listeners:
            listener(event)
        for watcher in self._watchers:
            watcher.show(event, self._run)
        self._warn_of_watchers()

    def warn(self, message: str) -> None:
        """Write an event `warning`."""
        self.emit("warning", message=message)

    def _warn_of_watchers(self) -> None:
        for watcher in self._watchers:
            for message in watcher.warnings():
                self.warn(message)

    def finish(self, seconds: float) -> None:
        """Wait until the watchers have seen everything, for so long at most, and close the file."""
        until = time.monotonic() + seconds
        try:
            for watcher in self._watchers:
                watcher.finish(until - time.monotonic())
            with suppress(OSError):  # a full disk, say, is not to hide why the run ends
                self._warn_of_watchers()
        finally:
            self.close()

    def close(self) -> None:
        """Close the file; `emit` may not be called again."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


def read_events(path: Path, last_bytes: int | None = None) -> list[dict[str, Any]]:
    """Every whole event of a file, in order; a last line cut short by a crash is left out.

    Args:
        last_bytes: look at the end of the file only.
    """
    if not path.exists():
        return []
    with path.open("rb") as file:
        if last_bytes is not None:
            file.seek(max(0, path.stat().st_size - last_bytes))
        lines = file.read().decode(errors="replace").splitlines()
    events = []
    for line in lines:
        try:
            events.append(json.loads(line))
        except ValueError:
            continue
    return events
