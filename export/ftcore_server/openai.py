"""`/v1/completions` and `/v1/chat/completions`: texts of bundles that write them, in the shape of OpenAI's API.

A completion's prompt, or the user's one message, is an input as `:predict` has it: what stands around it, a chat
template's too, is in the bundle, and so is how texts are generated. Limits, deadlines and errors are `:predict`'s.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, Protocol

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    create_model,
)
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders.text_generation import TextGenerationDecoder
from ftcore_server.body import require_json
from ftcore_server.events import DONE, EventStream, data_event
from ftcore_server.problems import Problem, described, invalid
from ftcore_server.registry import VERSION_HEADER
from ftcore_server.rendering import JSON, Rendered, json_bytes
from ftcore_server.request_errors import sentence
from ftcore_server.service import Service
from ftcore_server.settings import Limits
from ftcore_server.version import Version


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class Asked:
    """What a request asks: texts for `texts` by a model, whole or streamed."""

    model: str
    texts: list[str]
    stream: bool


class Shape(Protocol):
    """What differs between the two endpoints."""

    prefix: str
    whole: str
    chunk: str

    def read(self, document: object) -> Asked:
        """What a request asks.

        Raises:
            Problem: 400, naming the field.
        """

    def choice(self, text: str) -> dict[str, Any]:
        """A whole answer."""

    def piece(self, text: str | None) -> dict[str, Any]:
        """A piece of an answer; None: nothing is left."""


class Completions:
    """`/v1/completions`."""

    prefix, whole, chunk = "cmpl", "text_completion", "text_completion"

    def __init__(self, limits: Limits) -> None:
        self.request = completion_request(limits)

    def read(self, document: object) -> Asked:
        """See `Shape`."""
        asked = _validated(self.request, document)
        if asked.stream and len(asked.prompt) != 1:
            raise invalid("stream: an answer is streamed to one prompt at a time")
        return Asked(asked.model, asked.prompt, asked.stream)

    def choice(self, text: str) -> dict[str, Any]:
        """See `Shape`."""
        return {"text": text, "logprobs": None}

    def piece(self, text: str | None) -> dict[str, Any]:
        """See `Shape`."""
        return {"text": text or "", "logprobs": None}


class Chats:
    """`/v1/chat/completions`."""

    prefix, whole, chunk = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def __init__(self, limits: Limits) -> None:
        self.request = chat_request(limits)

    def read(self, document: object) -> Asked:
        """See `Shape`."""
        asked = _validated(self.request, document)
        roles = [one.role for one in asked.messages]
        if roles != ["user"]:
            raise invalid(
                "messages: expected one message of the user: what the system says is in the bundle, and an answer is to"
                " one message"
            )
        return Asked(asked.model, [asked.messages[0].content], asked.stream)

    def choice(self, text: str) -> dict[str, Any]:
        """See `Shape`."""
        return {"message": {"role": "assistant", "content": text}, "logprobs": None}

    def piece(self, text: str | None) -> dict[str, Any]:
        """See `Shape`."""
        return {"delta": {} if text is None else {"role": "assistant", "content": text}, "logprobs": None}


#: What both read besides the texts. Settings of generation are the bundle's: only what changes none of them is taken.
_FIELDS: dict[str, Any] = {
    "model": (Annotated[str, StringConstraints(min_length=1, max_length=200)], ...),
    "stream": (bool, False),
    "n": (Literal[1], 1),
    "user": (Annotated[str, StringConstraints(max_length=1000)] | None, None),
}
_SETTINGS = frozenset(
    {
        *("temperature", "top_p", "max_tokens", "max_completion_tokens", "stop", "seed", "best_of", "suffix", "echo"),
        *("presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs", "tools", "tool_choice"),
        *("response_format", "stream_options"),
    }
)  # fmt: skip


def completion_request(limits: Limits) -> type[BaseModel]:
    """What `/v1/completions` reads."""
    text = Annotated[str, StringConstraints(min_length=1, max_length=limits.characters)]
    described = "A text, or a list of them."
    texts: Any = Annotated[
        list[text],
        BeforeValidator(lambda given: [given] if isinstance(given, str) else given),
        Field(min_length=1, max_length=limits.inputs, description=described),
    ]
    return create_model("CompletionRequest", __base__=_Strict, prompt=(texts, ...), **_FIELDS)


def chat_request(limits: Limits) -> type[BaseModel]:
    """What `/v1/chat/completions` reads."""
    text = Annotated[str, StringConstraints(min_length=1, max_length=limits.characters)]
    roles = Literal["system", "developer", "user", "assistant", "tool"]
    message = create_model("Message", __base__=_Strict, role=(roles, ...), content=(text, ...))
    messages: Any = Annotated[list[message], Field(min_length=1, max_length=limits.inputs)]
    return create_model("ChatRequest", __base__=_Strict, messages=(messages, ...), **_FIELDS)


class OpenAI:
    """The endpoints.

    Args:
        service: what they answer from.
    """

    def __init__(self, service: Service) -> None:
        self._service = service
        self._completions = Completions(service.settings.limits)
        self._chats = Chats(service.settings.limits)

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/v1/completions", self.completions, methods=["POST"]),
            Route("/v1/chat/completions", self.chat_completions, methods=["POST"]),
        ]

    async def completions(self, request: Request) -> Response:
        """A text for each prompt."""
        return await self._answered(request, self._completions)

    async def chat_completions(self, request: Request) -> Response:
        """A text for a message."""
        return await self._answered(request, self._chats)

    async def _answered(self, request: Request, shape: Shape) -> Response:
        require_json(request)
        body = await self._service.body(request)
        asked = await self._service.parsed(request, body, shape.read)
        version = self._service.named(request, asked.model, request.headers.get(VERSION_HEADER))
        version.require_room(len(asked.texts))
        with version.held():
            if not isinstance(version.pipeline.decoder, TextGenerationDecoder):
                what = f"the model {version.name!r} writes no texts: ask /v1/models/{version.name}:predict"
                raise Problem(404, "writes_no_text", what)
            head = _Head(shape, version, f"{shape.prefix}-{request.state.request_id}", int(time.time()))
            if asked.stream:
                first, rest = await self._service.stream(request, version, asked.texts[0])
                return EventStream(request, first, rest, _Chunks(head))
            answers = await self._service.answer(request, version, asked.texts)
            render = partial(head.whole, asked.texts, answers)
            return await self._service.response(request, render, len(answers))


@dataclass(frozen=True)
class _Head:
    """What all answers to one request begin with."""

    shape: Shape
    version: Version
    name: str
    created: int

    def of(self, kind: str, choices: Sequence[dict[str, Any]], **more: Any) -> dict[str, Any]:  # noqa: ANN401
        """An answer, or a part of one."""
        head = {"id": self.name, "object": kind, "created": self.created, "model": self.version.name}
        return {**head, "choices": list(choices), **more}

    def whole(self, texts: Sequence[str], answers: Sequence[Answer]) -> Rendered:
        """All answers, and how many tokens they are."""
        pipeline = self.version.pipeline
        prompt = int(pipeline.decoder.prepare(texts, pipeline.encoder).encoded.lengths.sum())
        counts = self.counts(answers)
        choices = [
            {"index": index, **self.shape.choice(answer.summary), "finish_reason": self.reason(count)}
            for index, (answer, count) in enumerate(zip(answers, counts, strict=True))
        ]
        written = sum(counts)
        usage = {"prompt_tokens": prompt, "completion_tokens": written, "total_tokens": prompt + written}
        return [json_bytes(self.of(self.shape.whole, choices, usage=usage))], JSON

    def counts(self, answers: Sequence[Answer]) -> list[int]:
        """Tokens of each text, without the one that ends it."""
        tokenizer = self.version.pipeline.encoder.target.untruncated
        texts = [answer.summary for answer in answers]
        return [len(one.ids) for one in tokenizer.encode_batch(texts, add_special_tokens=False)]

    def reason(self, tokens: int) -> str:
        """Why a text of so many tokens ended."""
        decoder = self.version.pipeline.decoder
        assert isinstance(decoder, TextGenerationDecoder)
        return "length" if tokens >= decoder.settings.max_length else "stop"


@dataclass(frozen=True)
class _Chunks:
    """A streamed answer as events without names, the last of which is `[DONE]`."""

    head: _Head

    def piece(self, text: str) -> bytes:
        """What some tokens add."""
        return self._chunk(text, None)

    def end(self, answers: list[Answer]) -> bytes:
        """Why it ended."""
        return self._chunk(None, self.head.reason(self.head.counts(answers)[0])) + DONE

    def error(self, problem: Problem, request_id: str) -> bytes:
        """What broke it off."""
        return data_event(described(problem, request_id))

    def _chunk(self, text: str | None, reason: str | None) -> bytes:
        shape = self.head.shape
        choice = {"index": 0, **shape.piece(text), "finish_reason": reason}
        return data_event(self.head.of(shape.chunk, [choice]))


def _validated(request: type[BaseModel], document: object) -> Any:  # noqa: ANN401 (a model made at run time)
    if isinstance(document, dict) and (named := sorted(_SETTINGS & document.keys())):
        raise invalid(f"{named[0]}: how texts are generated is in the bundle, and no request changes it")
    try:
        return request.model_validate(document)
    except ValidationError as error:
        raise invalid(sentence(error, document)) from None
