"""Structured logs: one JSON object a line on standard error. Never a text that a user sent, nor an answer."""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, TextIO

from ftcore_runtime.terminal import json_text

LOGGER = logging.getLogger("ftcore.server")


class JsonFormatter(logging.Formatter):
    """A record as JSON: time, level, event and the fields of `extra={"fields": ...}`."""

    always: Mapping[str, Any] = {}

    def format(self, record: logging.LogRecord) -> str:
        """One line."""
        line: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "event": record.getMessage(),
            **self.always,
            **getattr(record, "fields", {}),
        }
        if record.exc_info and record.exc_info[1] is not None:
            line |= where_from(record.exc_info[1])
        return json_text(line)


def where_from(error: BaseException) -> dict[str, Any]:
    """An exception's class and the lines it came through; not its message, which may quote a user's text."""
    frames = traceback.extract_tb(error.__traceback__)
    return {
        "exception": type(error).__name__,
        "stack": [f"{frame.filename}:{frame.lineno} {frame.name}" for frame in frames],
    }


def event(name: str, level: int = logging.INFO, error: BaseException | None = None, **fields: Any) -> None:  # noqa: ANN401 (JSON)
    """Log one event."""
    if LOGGER.isEnabledFor(level):
        info = (type(error), error, error.__traceback__) if error is not None else None
        LOGGER.log(level, name, extra={"fields": fields}, exc_info=info)


def configure(level: str, stream: TextIO | None = None) -> None:
    """Send our events, and uvicorn's errors, to `stream` (standard error if None) as JSON."""
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(JsonFormatter())
    for name, lowest in (("ftcore.server", level.upper()), ("uvicorn.error", "WARNING")):
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.setLevel(lowest)
        logger.propagate = False


def always(**fields: Any) -> None:  # noqa: ANN401 (JSON)
    """Add fields to every event of this process."""
    JsonFormatter.always = fields
