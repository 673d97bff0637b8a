"""The typed endpoint's requests and responses, as pydantic models of each task: validation and schema are one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Union

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    create_model,
)

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders import Decoder
from ftcore_runtime.inputs import Input
from ftcore_server.problems import invalid
from ftcore_server.request_errors import sentence
from ftcore_server.settings import Limits


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class Error(BaseModel):
    """What every error looks like: a sentence, a word for programs, and the id under which the server logged it."""

    error: str
    code: str
    request_id: str


class VersionInfo(BaseModel):
    """A version of a model."""

    version: str
    variant: str
    created: str


class ModelInfo(BaseModel):
    """A model that is served. `fields` are the texts of an input, of which the first `required` must be there;
    `streams` says whether an answer can be streamed and is the same then; `widget` is what a page draws it with.
    """

    name: str
    task: str
    family: str
    fields: list[str]
    required: int
    labels: list[str]
    streams: bool
    widget: str
    default: str
    versions: list[VersionInfo]


class ModelList(BaseModel):
    """All models that are served."""

    models: list[ModelInfo]


class DriftReport(BaseModel):
    """Population stability index of the latest inputs and answers; null while there are fewer than `enough`."""

    model: str
    version: str
    reference_rows: int
    rows: int
    window: int
    enough: int
    psi: dict[str, float | None]


@dataclass(frozen=True)
class TypedRequest:
    """What a request asks: answers to `inputs` with `top_k` labels or candidates each, whole or streamed."""

    inputs: list[Input]
    top_k: int | None
    stream: bool


@dataclass(frozen=True)
class Contract:
    """The request and the response of one model's `:predict`.

    Args:
        request: a pydantic model with `inputs`, where labels or candidates are ranked `top_k`, and of bundles that
            write `stream`.
        prediction: what an answer looks like.
    """

    request: type[BaseModel]
    prediction: TypeAdapter[Answer]

    @classmethod
    def of(cls, decoder: Decoder, limits: Limits) -> Contract:
        """The contract of a family's inputs and answers."""
        text = Annotated[str, StringConstraints(min_length=1, max_length=limits.characters)]
        texts: dict[str, Any] = {
            field: (text, ...) if index < decoder.required else (text | None, None)
            for index, field in enumerate(decoder.fields)
        }
        mapping = create_model("Input", __base__=_Strict, **texts)
        item: Any = Union[text, mapping] if decoder.required == 1 else mapping  # noqa: UP007 (made at run time)
        body: dict[str, Any] = {"inputs": (list[item], Field(max_length=limits.inputs))}
        if most := decoder.most_candidates:
            body["top_k"] = (Annotated[int, Field(ge=1, le=most)] | None, None)
        if decoder.generates:
            body["stream"] = (bool, False)
        return cls(create_model("PredictRequest", __base__=_Strict, **body), TypeAdapter(decoder.answer))

    @property
    def streams(self) -> bool:
        """Whether answers can be streamed."""
        return "stream" in self.request.model_fields

    def read(self, document: object) -> TypedRequest:
        """What a request asks.

        Raises:
            Problem: 400, naming the field.
        """
        if isinstance(document, Mapping) and document.get("stream") and not self.streams:
            raise invalid("stream: only models that write texts stream their answers")
        try:
            request: Any = self.request.model_validate(document)
        except ValidationError as error:
            raise invalid(sentence(error, document)) from None
        inputs = [
            item if isinstance(item, str) else item.model_dump(exclude_none=True) for item in request.inputs
        ]
        stream = getattr(request, "stream", False)
        if stream and len(inputs) != 1:
            raise invalid("stream: an answer is streamed to one input at a time")
        return TypedRequest(inputs, getattr(request, "top_k", None), stream)
