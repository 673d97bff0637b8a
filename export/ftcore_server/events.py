"""Server-sent events: an answer while it is generated."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from ftcore_runtime.answers import Answer
from ftcore_server import logs
from ftcore_server.problems import Problem, as_problem, described

#: What a stream is made of: pieces of the answer, then the answer.
Generated = str | list[Answer]


#: What ends a stream in the shape of OpenAI's API.
DONE = b"data: [DONE]\n\n"


class Events(Protocol):
    """How a streamed answer is written."""

    def piece(self, text: str) -> bytes:
        """A piece of it."""

    def end(self, answers: list[Answer]) -> bytes:
        """Its end, once it is whole."""

    def error(self, problem: Problem, request_id: str) -> bytes:
        """What broke it off."""


@dataclass(frozen=True)
class PlainEvents:
    """Unnamed events carry `{"text": PIECE}`; then comes one event `end`, with the whole response as a request that
    does not stream gets it, or one event `error`, with what every error looks like.

    Args:
        whole: makes the response's JSON of the answer.
    """

    whole: Callable[[list[Answer]], Mapping[str, Any]]

    def piece(self, text: str) -> bytes:
        """An unnamed event."""
        return data_event({"text": text})

    def end(self, answers: list[Answer]) -> bytes:
        """The event `end`."""
        return data_event(self.whole(answers), "end")

    def error(self, problem: Problem, request_id: str) -> bytes:
        """The event `error`."""
        return data_event(described(problem, request_id), "error")


class EventStream(StreamingResponse):
    """The response; `rest` is closed when its last event is sent, or its client leaves.

    Args:
        request: what it responds to.
        first: the first piece, since a status of 200 says that there is one.
        rest: the others.
        events: how they are written.
    """

    def __init__(
        self,
        request: Request,
        first: Generated,
        rest: AsyncGenerator[Generated, None],
        events: Events,
    ) -> None:
        self._request = request
        self._first = first
        self._rest = rest
        self._written = events
        self._code: str | None = "client_left"  # until it has come to its end
        # Proxies that buffer would hold the pieces back.
        headers = {"x-accel-buffering": "no"}
        super().__init__(self._events(), headers=headers, media_type="text/event-stream")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        try:
            async with aclosing(self._rest):
                await super().__call__(scope, receive, send)
        finally:
            self._request.state.code = self._code

    async def _events(self) -> AsyncGenerator[bytes, None]:
        try:
            yield self._event(self._first)
            async for generated in self._rest:
                yield self._event(generated)
            self._code = None
        except Exception as error:  # noqa: BLE001 (the status is sent: the client gets an event, the log the cause)
            problem, request_id = as_problem(error), self._request.state.request_id
            self._code = problem.code
            if problem.status == 500:
                logs.event("failed", logging.ERROR, error, request_id=request_id)
            yield self._written.error(problem, request_id)

    def _event(self, generated: Generated) -> bytes:
        if isinstance(generated, str):
            return self._written.piece(generated)
        return self._written.end(generated)


def data_event(data: Mapping[str, Any], event: str | None = None) -> bytes:
    """One event, of this name if it has any."""
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data, ensure_ascii=False)}\n\n".encode(errors="backslashreplace")
