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
from ftcore_server.problems import Problem, invalid
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
    `streams` says whether an answer can be streamed and is the same then; `widget` is what a page draws it with;
    `explains` whether `:explain` says why; `tokens` are read at a time, and `cuts` says whether an input that is longer
    loses its end.
    """

    name: str
    task: str
    family: str
    fields: list[str]
    required: int
    labels: list[str]
    streams: bool
    widget: str
    explains: bool
    tokens: int
    cuts: bool
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
class ExplainRequest:
    """What a request asks: why `item` gets its answer, or could get others."""

    item: Input
    targets: list[str]
    faithfulness: bool


class ExplainedPart(BaseModel):
    """A word of the input, or some that stand together: its characters (code points) in one of the texts."""

    field: str
    start: int
    end: int
    text: str


class ExplainedTarget(BaseModel):
    """How much of `score` is lost without each part; below 0 where the part speaks against the target. With `edge`, the
    score is that of the `start` or the `end` of a span.
    """

    target: str
    score: float
    weights: list[float]
    edge: str | None = None


class FaithfulnessCurves(BaseModel):
    """The falls of which the figures are means, for each share of the parts."""

    shares: list[float]
    without: list[float]
    alone: list[float]
    random_without: list[float]
    random_alone: list[float]


class FaithfulnessFigures(BaseModel):
    """By how much the first target's score falls without its best parts, with these alone, and with random ones."""

    faithful: bool
    comprehensiveness: float
    sufficiency: float
    random_comprehensiveness: float
    random_sufficiency: float
    curves: FaithfulnessCurves


class ExplainResponse(BaseModel):
    """Why an input got its answer; `answer` is as `:predict` gives it, with all labels or some candidates. Of a text
    that was written each word is a target.
    """

    model: str
    version: str
    method: str
    answer: dict[str, Any]
    parts: list[ExplainedPart]
    targets: list[ExplainedTarget]
    faithfulness: FaithfulnessFigures | None = None
    note: str | None = None


_MOST_TARGETS = 20  # of an explanation
_LONGEST_TARGET = 1000  # characters


@dataclass(frozen=True)
class Contract:
    """The requests and the response of one model's `:predict` and `:explain`.

    Args:
        request: a pydantic model with `inputs`, where labels or candidates are ranked `top_k`, and of bundles that
            write `stream`.
        prediction: what an answer looks like.
        explanation: a pydantic model of a request to explain, with `input`, `targets` and `faithfulness`; None where
            answers have no score that words could raise or lower.
    """

    request: type[BaseModel]
    prediction: TypeAdapter[Answer]
    explanation: type[BaseModel] | None

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
        answer: TypeAdapter[Answer] = TypeAdapter(decoder.answer)
        predicts = create_model("PredictRequest", __base__=_Strict, **body)
        if not decoder.explains:
            return cls(predicts, answer, None)
        name = Annotated[str, StringConstraints(max_length=_LONGEST_TARGET)]
        asks: dict[str, Any] = {
            "input": (item, ...),
            "targets": (list[name], Field(default_factory=list, max_length=_MOST_TARGETS)),
            "faithfulness": (bool, True),
        }
        return cls(predicts, answer, create_model("ExplainRequest", __base__=_Strict, **asks))

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
        inputs = [_input(item) for item in request.inputs]
        stream = getattr(request, "stream", False)
        if stream and len(inputs) != 1:
            raise invalid("stream: an answer is streamed to one input at a time")
        return TypedRequest(inputs, getattr(request, "top_k", None), stream)

    def read_explanation(self, document: object) -> ExplainRequest:
        """What a request to explain asks.

        Raises:
            Problem: 400, naming the field; 404 where answers cannot be explained.
        """
        if self.explanation is None:
            raise Problem(
                404, "no_explanation", "answers of this model have no score that words could change"
            )
        try:
            request: Any = self.explanation.model_validate(document)
        except ValidationError as error:
            raise invalid(sentence(error, document)) from None
        return ExplainRequest(_input(request.input), request.targets, request.faithfulness)


def _input(item: str | BaseModel) -> Input:
    return item if isinstance(item, str) else item.model_dump(exclude_none=True)
