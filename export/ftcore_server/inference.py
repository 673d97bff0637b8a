"""`/v2`: the Open Inference Protocol, so that clients of KServe and Triton work as they are.

Inputs are BYTES tensors named after the decoder's fields (`text`, `text_pair`; `question`, `context`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ftcore_runtime.inputs import Input, join_columns
from ftcore_runtime.tensors import Tensor
from ftcore_server.problems import Problem, invalid
from ftcore_server.rendering import JSON, Rendered, json_bytes
from ftcore_server.service import Service
from ftcore_server.tensors import (
    HEADER_LENGTH,
    binary_size,
    output_tensors,
    read_texts,
    tensor_bytes,
    tensor_head,
    tensor_json,
)
from ftcore_server.version import Version


@dataclass(frozen=True)
class _InferenceRequest:
    """What a request asks: answers to `inputs`, as `outputs` (name -> whether it is to be binary)."""

    inputs: Sequence[Input]
    outputs: Mapping[str, bool]
    identity: str | None


class Inference:
    """The endpoints.

    Args:
        service: what they answer from.
        release: of the server, for its metadata.
    """

    def __init__(self, service: Service, release: str) -> None:
        self._service = service
        self._release = release

    def routes(self) -> list[Route]:
        """Where they are."""
        routes = [
            Route("/v2", self.server),
            Route("/v2/health/live", self.live),
            Route("/v2/health/ready", self.ready),
        ]
        for base in ("/v2/models/{model}", "/v2/models/{model}/versions/{version}"):
            routes += [
                Route(base, self.metadata),
                Route(f"{base}/ready", self.model_ready),
                Route(f"{base}/infer", self.infer, methods=["POST"]),
            ]
        return routes

    async def server(self, request: Request) -> Response:
        """About the server."""
        return JSONResponse(
            {"name": "ftcore", "version": self._release, "extensions": ["binary_tensor_data"]}
        )

    async def live(self, request: Request) -> Response:
        """200 while the process lives."""
        return JSONResponse({"live": True})

    async def ready(self, request: Request) -> Response:
        """200 while requests are welcome."""
        ready = self._service.registry.ready and not self._service.draining
        return JSONResponse({"ready": ready}, 200 if ready else 503)

    async def model_ready(self, request: Request) -> Response:
        """200 where the model is there."""
        version = self._service.version(request)
        return JSONResponse({"name": version.name, "ready": True})

    async def metadata(self, request: Request) -> Response:
        """Inputs and outputs of a model."""
        model = self._service.model(request)
        version = self._service.version(request)
        pipeline = version.pipeline
        return JSONResponse(
            {
                "name": version.name,
                "versions": list(model.versions),
                "platform": "onnxruntime_onnx",
                "inputs": [
                    {
                        "name": field,
                        "datatype": "BYTES",
                        "shape": [-1],
                        "parameters": {"optional": index >= pipeline.required},
                    }
                    for index, field in enumerate(pipeline.fields)
                ],
                "outputs": version.outputs,
                "parameters": {"task": pipeline.task, "labels": json.dumps(list(pipeline.labels))},
            }
        )

    async def infer(self, request: Request) -> Response:
        """Answers as tensors."""
        version = self._service.version(request)
        with version.held():
            body = await self._service.body(request, version)
            length = _header_length(request.headers.get(HEADER_LENGTH), len(body))
            rest = memoryview(body)[length:]

            def read(document: object) -> _InferenceRequest:
                return self._parsed(version, document, rest)

            parsed = await self._service.parsed(request, body[:length], read)
            answers = await self._service.answer(request, version, parsed.inputs)
        labels = version.pipeline.labels

        def render() -> Rendered:
            return _rendered(version, parsed, output_tensors(answers, labels))

        return await self._service.response(request, render, len(answers) * (1 + len(labels)))

    def _parsed(self, version: Version, document: object, rest: memoryview) -> _InferenceRequest:
        if not isinstance(document, dict):
            raise invalid("expected an object")
        inputs = self._inputs(version, document, rest)
        # Without inputs there is no answer to tell how the other outputs look.
        known = [output["name"] for output in version.outputs][: None if inputs else 1]
        identity = document.get("id")
        if not isinstance(identity, str | None):
            raise invalid("id: expected a text")
        return _InferenceRequest(
            inputs,
            _outputs(document, known),
            identity,
        )

    def _inputs(self, version: Version, document: Mapping[str, Any], rest: memoryview) -> Sequence[Input]:
        given = document.get("inputs")
        if not isinstance(given, list) or not given:
            raise invalid("inputs: expected a list of tensors")
        fields = version.pipeline.fields
        texts: dict[str, list[str]] = {}
        for tensor in given:
            size = binary_size(tensor)
            if size is not None and size > len(rest):
                raise invalid("inputs: the binary data is cut short")
            name = tensor.get("name") if isinstance(tensor, Mapping) else None
            if name not in fields or name in texts:
                raise invalid(f"inputs: expected the names {', '.join(fields)}, each once")
            texts[name] = read_texts(tensor, None if size is None else bytes(rest[:size]))
            rest = rest[size or 0 :]
        if len(rest):
            raise invalid("inputs: there is more binary data than the tensors name")
        if missing := [field for field in fields[: version.pipeline.required] if field not in texts]:
            raise invalid(f"inputs: {missing[0]} is missing")
        longest = self._service.settings.limits.characters
        if any(len(text) > longest for column in texts.values() for text in column):
            raise Problem(413, "too_large", f"a text has more than {longest:,} characters")
        if len({len(column) for column in texts.values()}) != 1:
            raise invalid("inputs: the tensors are of different lengths")
        present = [field for field in fields if field in texts]
        if present != [*fields[: len(present)]]:
            raise invalid(f"inputs: {present[-1]} is given without {fields[len(present) - 1]}")
        return join_columns([texts[field] for field in present])


def _header_length(header: str | None, body: int) -> int:
    if header is None:
        return body
    if not header.isascii() or not header.isdigit() or len(header) > 12 or int(header) > body:
        raise invalid(f"{HEADER_LENGTH} is not a length within the body")
    return int(header)


def _outputs(document: Mapping[str, Any], known: Sequence[str]) -> Mapping[str, bool]:
    """The outputs that are asked for, all unless any are, and whether each is to be binary."""
    by_default = _flag(document, "binary_data_output")
    wanted = document.get("outputs")
    if wanted is None:
        return dict.fromkeys(known, by_default)
    if not isinstance(wanted, list):
        raise invalid("outputs: expected a list")
    chosen: dict[str, bool] = {}
    for item in wanted:
        name = item.get("name") if isinstance(item, Mapping) else None
        if not isinstance(name, str) or name not in known or name in chosen:
            raise invalid(f"outputs: expected names out of {', '.join(known)}, each once")
        chosen[name] = _flag(item, "binary_data", by_default)
    return chosen


def _flag(value: Mapping[str, Any], name: str, default: bool = False) -> bool:
    parameters = value.get("parameters", {})
    if not isinstance(parameters, Mapping):
        raise invalid("parameters: expected an object")
    return parameters.get(name, default) is True


def _rendered(version: Version, parsed: _InferenceRequest, tensors: Sequence[Tensor]) -> Rendered:
    """The response: JSON, and after it the data of the tensors that are to be binary."""
    by_name = {tensor.name: tensor for tensor in tensors}
    chosen = [(by_name[name], binary) for name, binary in parsed.outputs.items()]
    tail = {tensor.name: tensor_bytes(tensor) for tensor, binary in chosen if binary}
    identity = {} if parsed.identity is None else {"id": parsed.identity}
    head = {"model_name": version.name, "model_version": version.version, **identity}
    pieces = [json_bytes(head)[:-1] + b',"outputs":[']
    for index, (tensor, binary) in enumerate(chosen):
        about = tensor_head(tensor)
        if binary:
            about["parameters"] = {"binary_data_size": len(tail[tensor.name])}
        pieces.append(b"," * (index > 0) + json_bytes(about)[:-1])
        pieces += [b"}"] if binary else [b',"data":[', *tensor_json(tensor), b"]}"]
    pieces.append(b"]}")
    if not tail:
        return pieces, JSON
    length = sum(map(len, pieces))
    headers = {"content-type": "application/octet-stream", HEADER_LENGTH: str(length)}
    return [*pieces, *tail.values()], headers
