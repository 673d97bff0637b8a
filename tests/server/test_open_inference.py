"""`/v2`: Triton's own client, and the protocol's JSON and binary forms by hand."""

from __future__ import annotations

import json
import struct
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from serving import Running, serving

from ftcore_runtime import Pipeline

TEXTS = ["good food", "bad", "very nice place"]


@pytest.fixture(scope="module")
def server(tiny_bundle: Path) -> Iterator[Running]:
    with serving(f"tiny@7={tiny_bundle}") as running:
        yield running


@pytest.fixture(scope="module")
def expected(tiny_bundle: Path) -> list[dict]:
    return [answer.to_json() for answer in Pipeline.load(tiny_bundle).predict(TEXTS)]


def infer(texts: list[str], **more: object) -> dict:
    return {"inputs": [{"name": "text", "datatype": "BYTES", "shape": [len(texts)], "data": texts}], **more}


def by_name(response: dict) -> dict:
    return {tensor["name"]: tensor for tensor in response["outputs"]}


@pytest.mark.parametrize("binary", [False, True])
def test_tritonclient_works_as_it_is(server: Running, expected: list[dict], binary: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        triton = pytest.importorskip("tritonclient.http", reason="tritonclient[http] is not installed")
    client = triton.InferenceServerClient(server.url.removeprefix("http://"))
    try:
        assert client.is_server_live()
        assert client.is_server_ready()
        assert client.is_model_ready("tiny")
        assert client.is_model_ready("tiny", "7")
        assert not client.is_model_ready("tiny", "8")
        assert client.get_server_metadata()["extensions"] == ["binary_tensor_data"]
        metadata = client.get_model_metadata("tiny")
        assert metadata["versions"] == ["7"]
        text = triton.InferInput("text", [len(TEXTS)], "BYTES")
        text.set_data_from_numpy(np.array([item.encode() for item in TEXTS], object), binary_data=binary)
        wanted = [triton.InferRequestedOutput(name, binary_data=binary) for name in ("label", "scores")]
        result = client.infer("tiny", [text], outputs=wanted, request_id="abc")
        labels = [label.decode() if binary else label for label in result.as_numpy("label").tolist()]
        assert labels == [answer["label"] for answer in expected]
        assert result.as_numpy("scores").shape == (3, 3)
        np.testing.assert_allclose(
            result.as_numpy("scores")[0], list(expected[0]["scores"].values()), atol=1e-5
        )
        assert result.get_response()["id"] == "abc"
        assert {tensor["name"] for tensor in metadata["outputs"]} == {
            "answer", "label", "score", "polarity", "scores",
        }  # fmt: skip
        with pytest.raises(triton.InferenceServerException, match="there is no such model"):
            client.infer("none", [text])
    finally:
        client.close()


def test_every_output_as_json(server: Running, expected: list[dict]) -> None:
    response = server.post("/v2/models/tiny/versions/7/infer", infer(TEXTS, id="x")).json()
    assert (response["model_name"], response["model_version"], response["id"]) == ("tiny", "7", "x")
    outputs = by_name(response)
    assert [json.loads(answer)["label"] for answer in outputs["answer"]["data"]] == outputs["label"]["data"]
    assert outputs["scores"]["shape"] == [3, 3]
    assert outputs["score"]["data"] == pytest.approx([answer["score"] for answer in expected], abs=1e-5)


def test_pairs_are_two_tensors(server: Running, tiny_bundle: Path) -> None:
    body = infer(["good"])
    body["inputs"].append({"name": "text_pair", "datatype": "BYTES", "shape": [1, 1], "data": ["bad food"]})
    found = by_name(server.post("/v2/models/tiny/infer", body).json())
    expected = Pipeline.load(tiny_bundle).predict([("good", "bad food")])[0]
    assert found["score"]["data"] == pytest.approx([expected.to_json()["score"]], abs=1e-5)


def test_the_binary_form_by_hand(server: Running) -> None:
    data = b"".join(struct.pack("<I", len(text)) + text.encode() for text in TEXTS)
    tensor = {
        "name": "text",
        "datatype": "BYTES",
        "shape": [3],
        "parameters": {"binary_data_size": len(data)},
    }
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    response = server.client.post(
        "/v2/models/tiny/infer",
        content=head + data,
        headers={"inference-header-content-length": str(len(head))},
    )
    assert response.status_code == 200
    length = int(response.headers["inference-header-content-length"])
    outputs = json.loads(response.content[:length])["outputs"]
    assert (
        sum(tensor["parameters"]["binary_data_size"] for tensor in outputs) == len(response.content) - length
    )


def test_a_bundle_that_writes_gives_its_text(generating_bundle: Path) -> None:
    with serving(generating_bundle) as server:
        metadata = server.client.get("/v2/models/writer").json()
        found = by_name(server.post("/v2/models/writer/infer", infer(["good food"])).json())
    assert [tensor["name"] for tensor in metadata["outputs"]] == ["answer", "text"]
    whole = Pipeline.load(generating_bundle).predict(["good food"])[0]
    assert found["text"]["data"] == [whole.to_json()["text"]]


BINARY = {"name": "text", "datatype": "BYTES", "shape": [1], "parameters": {"binary_data_size": 7}}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "expected a list of tensors"),
        (infer(["a"], id=5), "id: expected a text"),
        ({"inputs": [1]}, "expected the names text, text_pair"),
        ({"inputs": [{"name": "text", "datatype": "FP32", "shape": [1], "data": [1]}]}, "must be BYTES"),
        ({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [2], "data": ["a"]}]}, "do not fit"),
        ({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1], "data": []}]}, "shape must be"),
        ({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1, 2], "data": []}]}, "shape must be"),
        ({"inputs": [{"name": "text", "datatype": "BYTES", "shape": [1], "data": [1]}]}, "must be texts"),
        ({"inputs": [{"name": "text_pair", "datatype": "BYTES", "shape": [1], "data": ["a"]}]}, "text is miss"),
        ({"inputs": [BINARY]}, "cut short"),
        (infer(["a"], outputs=[{"name": "none"}]), "expected names out of"),
        (infer(["a"], outputs=1), "expected a list"),
        (infer(["a"], parameters=1), "parameters: expected an object"),
        ([], "expected an object"),
    ],
    ids=str,
)  # fmt: skip
def test_what_is_not_valid_is_said(server: Running, body: object, says: str) -> None:
    response = server.post("/v2/models/tiny/infer", body)
    assert response.status_code == 400
    assert says in response.json()["error"]


@pytest.mark.parametrize("data", [b"\x05\0\0\0good", b"\1\0\0", b"\2\0\0\0\xff\xff"], ids=repr)
def test_spoiled_binary_data(server: Running, data: bytes) -> None:
    tensor = {**BINARY, "parameters": {"binary_data_size": len(data)}}
    head = json.dumps({"inputs": [tensor]}).encode()
    response = server.client.post(
        "/v2/models/tiny/infer",
        content=head + data,
        headers={"inference-header-content-length": str(len(head))},
    )
    assert response.status_code == 400


@pytest.mark.parametrize("length", ["-1", "x", "99999", "9" * 400])
def test_a_header_length_that_lies(server: Running, length: str) -> None:
    response = server.client.post(
        "/v2/models/tiny/infer", content=b"{}", headers={"inference-header-content-length": length}
    )
    assert response.status_code == 400
