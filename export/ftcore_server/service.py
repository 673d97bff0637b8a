"""What the endpoints share: the models, the limits, and how a request is answered or given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.types import Receive

from ftcore_runtime.answers import Answer
from ftcore_runtime.inputs import Input
from ftcore_server.events import Written
from ftcore_server.metrics import Metrics
from ftcore_server.problems import Problem, invalid
from ftcore_server.registry import VERSION_HEADER, Model, Registry
from ftcore_server.settings import Settings
from ftcore_server.version import Version

T = TypeVar("T")

TIMEOUT_HEADER = "x-request-timeout"


class Service:
    """A server's state.

    Args:
        settings: see `Settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.registry = Registry(settings, self.metrics)
        self.draining = False
        self.cut_short = False

    def model(self, request: Request) -> Model:
        """The model that the path names.

        Raises:
            Problem: 404 or 503.
        """
        model = self.registry.model(request.path_params["model"])
        request.state.model = request.path_params["model"]
        return model

    def version(self, request: Request) -> Version:
        """The version that the path or the header names, or the one whose turn it is.

        Raises:
            Problem: 404 or 503.
        """
        named = request.path_params.get("version") or request.headers.get(VERSION_HEADER)
        version = self.model(request).choose(named)
        request.state.version = version.version
        return version

    async def answer(
        self, request: Request, version: Version, inputs: Sequence[Input], top_k: int = 1
    ) -> list[Answer]:
        """Answers, unless the client leaves before they are there.

        Raises:
            Problem: 413, 429, 504; 499 where nobody is left to be told.
            InputError: an input that cannot be answered.
        """
        if len(inputs) > self.settings.limits.inputs:
            raise Problem(413, "too_large", f"more than {self.settings.limits.inputs} inputs")
        return await _unless_left(request, version.answer(inputs, top_k, self._seconds(request)))

    async def stream(
        self, request: Request, version: Version, text: Input
    ) -> tuple[Written, AsyncGenerator[Written, None]]:
        """The first piece of an answer once it is there, and the others.

        Raises:
            Problem, InputError: as `answer` does; here, or while the others are read.
        """
        pieces = version.stream(text, self._seconds(request))
        return await _unless_left(request, _next(pieces)), pieces

    def _seconds(self, request: Request) -> float:
        return _seconds(request.headers.get(TIMEOUT_HEADER), self.settings.limits.request_seconds)


async def _next(pieces: AsyncGenerator[T, None]) -> T:
    return await anext(pieces)


async def _unless_left(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives, unless the client leaves before that is there."""
    working = asyncio.create_task(work)
    leaving = asyncio.create_task(_left(request.receive))
    try:
        await asyncio.wait({working, leaving}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise Problem(499, "client_left", "the client left")
        return working.result()
    finally:
        working.cancel()
        leaving.cancel()


async def _left(receive: Receive) -> None:
    """Return once the client has gone; its body was read before."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _seconds(header: str | None, longest: float) -> float:
    if header is None:
        return longest
    try:
        seconds = float(header)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise invalid(f"{TIMEOUT_HEADER} must be a number of seconds above 0")
    return min(seconds, longest)
