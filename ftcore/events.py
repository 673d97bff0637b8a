"""The run's one stream of events: appended to events.jsonl, and shown to whoever listens.

Progress bars, observers (the hook `ftcore_event`) and the report all read these; nobody prints on the side.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

Listener = Callable[[Mapping[str, Any]], object]
#: Writes one event of a kind, with its fields: see `EventLog.emit`.
Emit = Callable[..., None]


class EventLog:
    """Appends events to a file, one JSON object a line, and passes each on to its listeners.

    Args:
        path: events.jsonl, made if absent; None keeps the events to the listeners (other ranks than the first).
        listeners: called with every event, in order.
        observers: likewise, after them, by name; one that raises is left out from then on, with an event `warning`.
    """

    def __init__(
        self,
        path: Path | None,
        listeners: tuple[Listener, ...] = (),
        observers: Mapping[str, Listener] | None = None,
    ) -> None:
        self._observers = dict(observers or {})
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
        for name in list(self._observers):
            self._show(name, event)

    def warn(self, message: str) -> None:
        """Write an event `warning`."""
        self.emit("warning", message=message)

    def _show(self, name: str, event: Mapping[str, Any]) -> None:
        """Show an event to one observer, whose fault must not end a run."""
        observer = self._observers.get(name)
        if observer is None:  # it failed while an earlier observer's failure was shown to it
            return
        try:
            observer(copy.deepcopy(event))
        except (Exception, SystemExit) as error:  # noqa: BLE001 (whatever a plugin raises)
            del self._observers[name]
            what = f"{name} raised {type(error).__name__}: {error}"
            self.warn(f"{what}; it sees no more of this run")

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
