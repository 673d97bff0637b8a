"""The OpenAPI 3.1 document of what is served now: one typed path for each model, and the fixed ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel

from ftcore_server.contracts import Contract, DriftReport, Error, ExplainResponse, ModelInfo, ModelList
from ftcore_server.openai import chat_request, completion_request
from ftcore_server.registry import VERSION_HEADER, Registry
from ftcore_server.settings import Limits

_ERRORS = {
    "400": "the request is not valid",
    "401": "the bearer token is missing or wrong",
    "404": "there is no such model or version",
    "408": "the body did not arrive in time",
    "413": "more than is read",
    "415": "another media type or encoding",
    "429": "too many inputs are waiting; see Retry-After",
    "500": "the request could not be answered",
    "503": "not ready, or draining",
    "504": "the answer was not ready in time",
}


def document(registry: Registry, contracts: Mapping[str, Contract], *, secured: bool) -> dict[str, Any]:
    """The document.

    Args:
        contracts: of each model of the registry.
        secured: whether a bearer token is asked for.
    """
    schemas: dict[str, Any] = {}
    for model in (Error, ModelInfo, ModelList, DriftReport, ExplainResponse):
        _add(schemas, model.__name__, _schema(model.__name__, model))
    paths: dict[str, Any] = {
        "/healthz": {"get": _plain("Whether the process lives", "healthz")},
        "/readyz": {"get": _plain("Whether models are loaded and tested", "readyz", failing="503")},
        "/v1/models": {"get": _read("The models", "models", "ModelList")},
    }
    for name, contract in contracts.items():
        request, response = f"{name}.PredictRequest", f"{name}.PredictResponse"
        _add(schemas, request, _schema(request, contract.request))
        _add(schemas, response, _response(response, contract))
        paths[f"/v1/models/{name}"] = {"get": _read(f"About {name}", f"{name}.get", "ModelInfo", _MISSING)}
        paths[f"/v1/models/{name}:predict"] = {"post": _predict(name, request, response, contract.streams)}
        if contract.explanation is not None:
            explained = f"{name}.ExplainRequest"
            _add(schemas, explained, _schema(explained, contract.explanation))
            paths[f"/v1/models/{name}:explain"] = {"post": _explain(name, explained)}
        if registry.models[name].versions[registry.models[name].default].drift:
            paths[f"/v1/models/{name}/drift"] = {
                "get": _read(f"Drift of {name}", f"{name}.drift", "DriftReport", _MISSING)
            }
    if any(contract.streams for contract in contracts.values()):
        for path, (request_model, summary) in _OPENAI.items():
            name = request_model.__name__
            _add(schemas, name, _schema(name, request_model))
            answered = {"description": _AS_OPENAI, "content": {**_ANY_JSON, **_EVENTS}}
            paths[path] = {"post": _post(summary, name, name, answered)}
    made: dict[str, Any] = {
        "openapi": "3.1.0",
        "info": {"title": "ftcore", "version": "1", "description": "Answers of ftcore bundles."},
        "paths": paths,
        "components": {"schemas": schemas},
    }
    if secured:
        made["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
        made["security"] = [{"token": []}]
    return made


_STREAMED = """; with `stream`, of one input, server-sent events while the answer is written greedily. Each but the last
is unnamed, its data {"text": PIECE}; the pieces make up the answer. The last is `end`, its data what a request without
`stream` is answered, or `error`, its data an Error."""

_AS_OPENAI = """as OpenAI's API answers; with `stream`, of one text, server-sent events with chunks of it, the last of
which is [DONE]. Of `model` the body has the name; settings of generation are the bundle's."""
_OPENAI = {
    "/v1/completions": (completion_request(Limits()), "Texts for prompts, in the shape of OpenAI's API"),
    "/v1/chat/completions": (chat_request(Limits()), "A text for a message, in the shape of OpenAI's API"),
}
_ANY_JSON = {"application/json": {"schema": {"type": "object"}}}
_EVENTS = {"text/event-stream": {"schema": {"type": "string"}}}

_MISSING = {"404": {"description": _ERRORS["404"]}}


def _add(schemas: dict[str, Any], name: str, schema: dict[str, Any]) -> None:
    """Put a schema, and those it refers to, among the components, under names of their own."""
    for inner, definition in schema.pop("$defs", {}).items():
        schemas[f"{name}.{inner}"] = definition
    schemas[name] = schema


def _references(name: str) -> str:
    """Where the schemas are that the one of this name refers to."""
    return f"#/components/schemas/{name}.{{model}}"


def _schema(name: str, model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema(ref_template=_references(name))


def _response(name: str, contract: Contract) -> dict[str, Any]:
    answer = contract.prediction.json_schema(mode="serialization", ref_template=_references(name))
    return {
        "$defs": answer.pop("$defs", {}),
        "type": "object",
        "required": ["model", "version", "predictions"],
        "additionalProperties": False,
        "properties": {
            "model": {"type": "string"},
            "version": {"type": "string"},
            "predictions": {"type": "array", "items": answer},
        },
    }


def _predict(name: str, request: str, response: str, streams: bool) -> dict[str, Any]:
    streamed = _EVENTS if streams else {}
    answered = {
        "description": "one prediction for each input" + (_STREAMED if streams else ""),
        "content": {**_json(response), **streamed},
    }
    return _post(f"Ask {name}", f"{name}.predict", request, answered)


def _explain(name: str, request: str) -> dict[str, Any]:
    explained = {"description": "which words made the answer", "content": _json("ExplainResponse")}
    return _post(f"Ask why {name} answers so", f"{name}.explain", request, explained)


def _post(summary: str, operation: str, request: str, answered: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "summary": summary,
        "operationId": operation,
        "parameters": [
            {
                "name": VERSION_HEADER,
                "in": "header",
                "required": False,
                "description": "the version that is to answer",
                "schema": {"type": "string"},
            },
            {
                "name": "x-request-timeout",
                "in": "header",
                "required": False,
                "description": "seconds after which the answer is of no use",
                "schema": {"type": "number", "exclusiveMinimum": 0},
            },
        ],
        "requestBody": {"required": True, "content": _json(request)},
        "responses": {
            "200": answered,
            **{status: _error(status) for status in _ERRORS},
        },
    }


def _read(
    summary: str, operation: str, schema: str, errors: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    failing = ["401", "500", "503", *(errors or {})]
    return {
        "summary": summary,
        "operationId": operation,
        "responses": {
            "200": {"description": summary, "content": _json(schema)},
            **{status: _error(status) for status in failing},
        },
    }


def _plain(summary: str, operation: str, failing: str | None = None) -> dict[str, Any]:
    content = {"application/json": {"schema": {"type": "object"}}}
    responses = {"200": {"description": summary, "content": content}}
    if failing:
        responses[failing] = _error(failing)
    return {"summary": summary, "operationId": operation, "security": [], "responses": responses}


def _error(status: str) -> dict[str, Any]:
    return {"description": _ERRORS[status], "content": _json("Error")}


def _json(schema: str) -> dict[str, Any]:
    return {"application/json": {"schema": {"$ref": f"#/components/schemas/{schema}"}}}
