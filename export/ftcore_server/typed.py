"""`/v1`: the typed endpoints, plain JSON in and out."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from starlette.convertors import Convertor, register_url_convertor
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ftcore_runtime.answers import Answer
from ftcore_server.body import require_json
from ftcore_server.events import EventStream, PlainEvents
from ftcore_server.problems import Problem
from ftcore_server.registry import Model
from ftcore_server.rendering import JSON, json_bytes
from ftcore_server.service import Service
from ftcore_server.version import Version


class NameConvertor(Convertor[str]):
    """A name in a path: neither a slash nor the colon that parts it from `predict`."""

    regex = "[^/:]+"

    def convert(self, value: str) -> str:
        """As it is."""
        return value

    def to_string(self, value: str) -> str:
        """As it is."""
        return value


register_url_convertor("name", NameConvertor())


class Typed:
    """The endpoints.

    Args:
        service: what they answer from.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    def routes(self) -> list[Route]:
        """Where they are."""
        model = "/v1/models/{model:name}"
        return [
            Route("/v1/models", self.models),
            Route(f"{model}:predict", self.predict, methods=["POST"]),
            Route(f"{model}/versions/{{version:name}}:predict", self.predict, methods=["POST"]),
            Route(f"{model}:explain", self.explain, methods=["POST"]),
            Route(f"{model}/versions/{{version:name}}:explain", self.explain, methods=["POST"]),
            Route(f"{model}/drift", self.drift),
            Route(f"{model}/versions/{{version:name}}/drift", self.drift),
            Route(model, self.about),
        ]

    async def models(self, request: Request) -> Response:
        """All models."""
        found = self._service.registry.models.items()
        return JSONResponse({"models": [describe(name, model) for name, model in found]})

    async def about(self, request: Request) -> Response:
        """One model."""
        return JSONResponse(describe(request.path_params["model"], self._service.model(request)))

    async def predict(self, request: Request) -> Response:
        """An answer for each input, or one that is streamed."""
        version = self._service.version(request)
        with version.held():
            require_json(request)
            body = await self._service.body(request, version)
            parsed = await self._service.parsed(request, body, version.contract.read)
            if parsed.stream:
                first, rest = await self._service.stream(request, version, parsed.inputs[0])
                return EventStream(request, first, rest, PlainEvents(partial(_whole, version)))
            answers = await self._service.answer(request, version, parsed.inputs, parsed.top_k)
            values = len(answers) * (1 + (parsed.top_k or len(version.pipeline.labels)))
            return await self._service.response(request, lambda: (_pieces(version, answers), JSON), values)

    async def explain(self, request: Request) -> Response:
        """Why an input gets its answer."""
        version = self._service.version(request)
        with version.held():
            require_json(request)
            body = await self._service.body(request, version)
            asked = await self._service.parsed(request, body, version.contract.read_explanation)
            found = await self._service.explain(request, version, asked)
            head = {"model": version.name, "version": version.version}
            values = len(found.parts) * (1 + len(found.reasons)) + len(version.pipeline.labels)
            return await self._service.response(
                request, lambda: ([json_bytes({**head, **found.to_json()})], JSON), values
            )

    async def drift(self, request: Request) -> Response:
        """How far the latest inputs and answers are from those of the evaluation."""
        version = self._service.version(request)
        if version.drift is None:
            raise Problem(404, "no_reference", "the bundle carries no histograms of its evaluation")
        head = {"model": version.name, "version": version.version}
        return JSONResponse({**head, **version.drift.report(await self._service.seen(version))})


def _whole(version: Version, answers: list[Answer]) -> dict[str, object]:
    predictions = [answer.to_json() for answer in answers]
    return {"model": version.name, "version": version.version, "predictions": predictions}


def _pieces(version: Version, answers: list[Answer]) -> Iterator[bytes]:
    """What `_whole` says, as JSON in pieces of one answer each."""
    name, number = json_bytes(version.name), json_bytes(version.version)
    yield b'{"model":' + name + b',"version":' + number + b',"predictions":['
    for index, answer in enumerate(answers):
        yield b"," * (index > 0) + json_bytes(answer.to_json())
    yield b"]}"


def describe(name: str, model: Model) -> dict[str, object]:
    """A model as `ModelInfo` has it."""
    default = model.versions[model.default].pipeline
    return {
        "name": name,
        "task": default.task,
        "family": default.manifest.family,
        "fields": list(default.fields),
        "required": default.required,
        "labels": list(default.labels),
        "streams": default.generates and default.generator.greedy,
        "widget": default.decoder.answer.widget,
        "explains": default.decoder.explains,
        "tokens": default.encoder.config.max_length,
        "cuts": default.decoder.cuts,
        "default": model.default,
        "versions": [
            {
                "version": version.version,
                "variant": version.pipeline.variant,
                "created": version.pipeline.manifest.created,
            }
            for version in model.versions.values()
        ],
    }
