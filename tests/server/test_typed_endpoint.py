"""`/v1`: typed answers, the OpenAPI document, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from serving import SETTINGS, Running, serving

from ftcore_runtime import Pipeline


@pytest.fixture(scope="module")
def server(tiny_bundle: Path) -> Iterator[Running]:
    with serving(tiny_bundle, limits=replace(SETTINGS.limits, inputs=4, characters=1000)) as running:
        yield running


def test_the_answers_are_those_of_the_pipeline(server: Running, tiny_bundle: Path) -> None:
    texts = ["good food", "the place was not very nice", "bad"]
    response = server.ask(*texts)
    assert response.status_code == 200
    expected = [answer.to_json() for answer in Pipeline.load(tiny_bundle).predict(texts)]
    for ours, theirs in zip(response.json()["predictions"], expected, strict=True):
        assert ours["label"] == theirs["label"]
        assert ours["scores"] == pytest.approx(theirs["scores"], abs=1e-5)


def test_a_request_may_ask_for_the_most_probable_labels(server: Running, tiny_bundle: Path) -> None:
    response = server.post("/v1/models/tiny:predict", {"inputs": ["good food"], "top_k": 2})
    expected = Pipeline.load(tiny_bundle).predict(["good food"], top_k=2)[0].to_json()
    (found,) = response.json()["predictions"]
    assert list(found["scores"]) == list(expected["scores"])
    assert len(found["scores"]) == 2
    for wrong in (0, 1001, "2"):
        refused = server.post("/v1/models/tiny:predict", {"inputs": ["good food"], "top_k": wrong})
        assert (refused.status_code, refused.json()["error"][:6]) == (400, "top_k:")


def test_pairs_and_no_inputs(server: Running, tiny_bundle: Path) -> None:
    response = server.ask({"text": "good", "text_pair": "bad food"})
    expected = Pipeline.load(tiny_bundle).predict([("good", "bad food")])[0]
    assert response.json()["predictions"][0]["score"] == pytest.approx(expected.to_json()["score"], abs=1e-5)
    assert server.ask().json()["predictions"] == []


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "inputs: Field required"),
        ({"inputs": ["good"], "extra": 1}, "extra: Extra inputs are not permitted"),
        ({"inputs": "good"}, "inputs: Input should be a valid list"),
        ({"inputs": [1]}, "inputs.0: expected a text or an object"),
        ({"inputs": [["good", "bad"]]}, "inputs.0: expected a text or an object"),
        ({"inputs": ["good", None]}, "inputs.1: expected a text or an object"),
        ({"inputs": [""]}, "inputs.0: String should have at least 1 character"),
        ({"inputs": [{}]}, "inputs.0.text: Field required"),
        ({"inputs": [{"text": 7}]}, "inputs.0.text: Input should be a valid string"),
        ({"inputs": [{"text": "a", "extra": 1}]}, "inputs.0.extra: Extra inputs are not permitted"),
        ({"inputs": [" "]}, "input 0: the text is empty"),
        ({"inputs": ["good", {"text": "a", "text_pair": "b"}]}, "input 1: texts and pairs are mixed"),
        ({"inputs": ["good"] * 5}, "inputs: List should have at most 4 items"),
        ({"inputs": ["x" * 1001]}, "at most 1000 characters"),
        ([], "the body: expected an object"),
        ({"inputs": ["good"], "top_k": "2"}, "top_k: Input should be a valid integer"),
    ],
    ids=str,
)
def test_what_is_not_valid_is_said(server: Running, body: object, says: str) -> None:
    response = server.post("/v1/models/tiny:predict", body)
    assert response.status_code == 400
    error = response.json()
    assert error["code"] == "invalid"
    assert says in error["error"]
    assert not re.search("constrained|PredictRequest|Input\\b(?! should)", error["error"])
    assert error["request_id"] == response.headers["x-request-id"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/models/none", 404),
        ("POST", "/v1/models/none:predict", 404),
        ("GET", "/v1/models/tiny:predict", 405),
        ("GET", "/v1/models/tiny/drift", 404),
        ("POST", "/v1/models/tiny/versions/9:predict", 404),
        ("GET", "/nowhere", 404),
    ],
)
def test_what_is_not_there(server: Running, method: str, path: str, status: int) -> None:
    response = server.client.request(method, path)
    assert response.status_code == status
    assert set(response.json()) == {"error", "code", "request_id"}


def test_models_say_what_they_are(server: Running) -> None:
    listed = server.client.get("/v1/models").json()["models"]
    assert [model["name"] for model in listed] == ["tiny"]
    one = server.client.get("/v1/models/tiny").json()
    assert one == listed[0]
    assert one["labels"] == ["negative", "neutral", "positive"]
    assert one["fields"] == ["text", "text_pair"]
    version = one["default"]
    assert server.ask("good").json()["version"] == version
    assert server.post(f"/v1/models/tiny/versions/{version}:predict", {"inputs": ["good"]}).status_code == 200


def test_answers_are_what_the_document_says(server: Running) -> None:
    document = server.client.get("/openapi.json").json()
    assert document["openapi"] == "3.1.0"
    operation = document["paths"]["/v1/models/tiny:predict"]["post"]
    reference = operation["responses"]["200"]["content"]["application/json"]["schema"]["$ref"]
    schema = {**document, "$ref": reference}
    Draft202012Validator(schema).validate(server.ask("good food").json())
    request = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
    validator = Draft202012Validator({**document, "$ref": request})
    validator.validate({"inputs": ["good", {"text": "a", "text_pair": "b"}]})
    assert list(validator.iter_errors({"inputs": [1]}))


def test_sagemakers_routes_are_there_where_they_are_asked_for(server: Running, tiny_bundle: Path) -> None:
    assert server.client.get("/ping").status_code == 404
    assert server.post("/invocations", {"inputs": ["good"]}).status_code == 404
    with serving(tiny_bundle, sagemaker=True, token="secret") as running:
        assert running.client.get("/ping").json() == {"ready": True}, "a probe carries no token"
        assert running.post("/invocations", {"inputs": ["good"]}).status_code == 401
        headers = {"authorization": "Bearer secret"}
        answered = running.post("/invocations", {"inputs": ["good food"]}, headers=headers).json()
        assert answered == running.ask("good food", headers=headers).json()
        refused = running.post("/invocations", {"input": "good food"}, headers=headers)
        assert (refused.status_code, refused.json()["error"]) == (400, "inputs: Field required")
