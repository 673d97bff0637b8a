"""What the endpoints share: the models, the limits, and how a request is answered or given up."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from ftcore_runtime.answers import Answer
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.explanations.generated import WrittenText
from ftcore_runtime.explanations.occlusion import Steps, candidates_needed, occlude
from ftcore_runtime.explanations.parts import texts_of
from ftcore_runtime.inputs import Input
from ftcore_server.body import decompressed, parse_json, read_body
from ftcore_server.contracts import ExplainRequest
from ftcore_server.drift import Seen
from ftcore_server.events import Generated
from ftcore_server.memory import Memory
from ftcore_server.metrics import Metrics
from ftcore_server.problems import Problem, invalid
from ftcore_server.registry import VERSION_HEADER, Model, Registry
from ftcore_server.rendering import Rendered
from ftcore_server.settings import Settings
from ftcore_server.version import Version

T = TypeVar("T")

TIMEOUT_HEADER = "x-request-timeout"

_SMALL = 2**14  # bytes of a body, or values of a response, that are converted without a change of thread
_CONVERTERS = 1  # threads that convert what is larger: each keeps the lock of the interpreter for long


class Service:
    """A server's state.

    Args:
        settings: see `Settings`.
    """

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.metrics = Metrics()
        self.memory = Memory(settings.limits.memory_bytes)
        self.metrics.held.set_function(lambda: self.memory.held)
        self._converters = ThreadPoolExecutor(_CONVERTERS, "converts")
        self.registry = Registry(settings, self.metrics)
        self.draining = False  # whether probes are told to look elsewhere
        self.closing = False  # whether every response ends its connection
        self.cut_short = False
        #: What `/metrics` shows; of several processes that of all.
        self.exposition: Callable[[], Awaitable[bytes]] = self._own_exposition
        #: The latest inputs of a version that has a reference; of several processes those of all.
        self.seen: Callable[[Version], Awaitable[Seen]] = self._own_seen

    async def _own_exposition(self) -> bytes:
        self.registry.refresh()
        return self.metrics.text()

    async def _own_seen(self, version: Version) -> Seen:
        assert version.drift is not None
        return version.drift.seen()

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
        return self.named(request, request.path_params["model"], named)

    def named(self, request: Request, model: str, version: str | None) -> Version:
        """The version of a model that the body names; or the one whose turn it is.

        Raises:
            Problem: 404 or 503.
        """
        found = self.registry.model(model)
        request.state.model = model
        chosen = found.choose(version)
        request.state.version = chosen.version
        return chosen

    async def body(self, request: Request, version: Version | None = None) -> bytes:
        """The request's body, decompressed, once it is known that `version` has room; starts the deadline.

        Args:
            version: None where the body names it.

        Raises:
            Problem: 400, 408, 413, 415, 429, 503 or 504.
        """
        limits = self.settings.limits
        seconds = _seconds(request.headers.get(TIMEOUT_HEADER), limits.request_seconds)
        body = await read_body(request, limits)
        request.state.until = asyncio.get_running_loop().time() + seconds
        if version is not None:
            version.require_room()
        if "content-encoding" not in request.headers:
            return body
        return await self._converted(request, lambda: decompressed(request, body, limits), large=True)

    async def parsed(self, request: Request, body: bytes, read: Callable[[Any], T]) -> T:
        """What `read` makes of the body's JSON.

        Raises:
            Problem: 400, 413, 503 or 504; or what `read` raises.
        """
        limits, account = self.settings.limits, request.state.account
        return await self._converted(
            request, lambda: read(parse_json(body, limits, account)), large=len(body) > _SMALL
        )

    async def answer(
        self, request: Request, version: Version, inputs: Sequence[Input], top_k: int | None = None
    ) -> list[Answer]:
        """Answers, unless the client leaves before they are there.

        Raises:
            Problem: 413, 429, 504; 499 where the client has left.
            InputError: an input that cannot be answered.
        """
        if len(inputs) > self.settings.limits.inputs:
            raise Problem(413, "too_large", f"more than {self.settings.limits.inputs} inputs")
        return await _unless_left(request, version.answer(inputs, top_k, _remaining(request)))

    async def explain(self, request: Request, version: Version, asked: ExplainRequest) -> Explanation:
        """Why an input gets its answer, unless the client leaves before that is known.

        The inputs that this takes wait in the queue as those of any request. Long texts have fewer and larger parts, so
        that all inputs together have about as many tokens as a request may have.

        Raises:
            Problem, InputError: as `answer` does.
        """
        if version.pipeline.generates:
            return await self._explain_written(request, version, asked)
        decoder, limits = version.pipeline.decoder, self.settings.limits
        steps = occlude(
            decoder,
            asked.item,
            asked.targets,
            faithfulness=asked.faithfulness,
            most_characters=limits.tokens,
        )
        top_k = candidates_needed(decoder)
        inputs: list[Input] | Explanation = next(steps)
        large = sum(map(len, texts_of(decoder, asked.item).values())) > _SMALL
        while not isinstance(inputs, Explanation):
            answers = await _unless_left(
                request, version.answer(inputs, top_k, _remaining(request), counted=False)
            )
            inputs = await self._converted(request, partial(_next_step, steps, answers), large=large)
            if isinstance(inputs, list):
                request.state.account.add(sum(map(_size, inputs)))
        return inputs

    async def _explain_written(
        self, request: Request, version: Version, asked: ExplainRequest
    ) -> Explanation:
        """`explain` where the answer is a text: it is written, then scored after the source without each word."""
        pipeline, most = version.pipeline, self.settings.limits.tokens
        answer, written = await _unless_left(request, version.written(asked.item, _remaining(request)))
        text = await self._converted(
            request,
            lambda: WrittenText(
                pipeline.decoder, pipeline.encoder, asked.item, answer, written, asked.targets, most
            ),
            large=True,
        )
        inputs = text.inputs
        request.state.account.add(sum(map(_size, inputs)))
        scores = version.log_probabilities(inputs, text.ids, _remaining(request))
        return text.explanation(await _unless_left(request, scores))

    async def response(self, request: Request, render: Callable[[], Rendered], values: int) -> Response:
        """What `render` gives, in as many bytes as a response may have.

        Args:
            values: how many there are in it, about.

        Raises:
            Problem: 413, 503 or 504.
        """

        def joined() -> tuple[bytes, Mapping[str, str]]:
            most, made = self.settings.limits.response_bytes, bytearray()
            pieces, headers = render()
            for piece in pieces:
                made += piece
                if len(made) > most:
                    what = f"the answer has more than {most:,} bytes: send fewer inputs at a time"
                    raise Problem(413, "answer_too_large", what)
            request.state.account.add(len(made))
            return bytes(made), headers

        body, headers = await self._converted(request, joined, large=values > _SMALL)
        return Response(body, headers=headers)

    async def stream(
        self, request: Request, version: Version, text: Input
    ) -> tuple[Generated, AsyncGenerator[Generated, None]]:
        """The first piece of an answer once it is there, and the others.

        Raises:
            Problem, InputError: as `answer` does; here, or while the others are read.
        """
        pieces = version.stream(text, _remaining(request))
        return await _unless_left(request, _next(pieces)), pieces

    async def close(self) -> None:
        """Close the models, after their last requests."""
        await self.registry.close()
        self._converters.shutdown(wait=False, cancel_futures=True)

    async def _converted(self, request: Request, convert: Callable[[], T], *, large: bool) -> T:
        """What `convert` returns, from a thread if it is `large`."""
        if not large:
            return convert()
        work = asyncio.get_running_loop().run_in_executor(self._converters, convert)
        return await _unless_left(request, _in_time(work, _remaining(request)))


def _next_step(steps: Steps, answers: Sequence[Answer]) -> list[Input] | Explanation:
    """What the steps ask next, or what they have found."""
    try:
        return steps.send(answers)
    except StopIteration as done:
        explanation: Explanation = done.value
        return explanation


def _size(item: Input) -> int:
    """Bytes of an input's texts in memory, at most."""
    texts = item.values() if isinstance(item, Mapping) else item
    return 4 * sum(map(len, texts))


def _remaining(request: Request) -> float:
    """Seconds until the deadline, of a request whose body has arrived."""
    until: float = request.state.until
    return until - asyncio.get_running_loop().time()


async def _in_time(work: asyncio.Future[T], seconds: float) -> T:
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError:
        raise Problem(504, "deadline", "the answer was not ready in time") from None


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
