"""`:explain`: what it says is the pipeline's, within the limits of any request, and counted as nobody's answers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from serving import SETTINGS, Running, serving, wait_until

from ftcore_runtime.pipeline import Pipeline

PATH = "/v1/models/tiny:explain"


@pytest.fixture(scope="module")
def server(tiny_bundle: Path) -> Iterator[Running]:
    with serving(f"tiny={tiny_bundle}") as running:
        yield running


def test_it_says_what_the_pipeline_says(server: Running, tiny_bundle: Path) -> None:
    body = {
        "input": {"text": "the food was good", "text_pair": "not bad"},
        "targets": ["positive", "negative"],
    }
    found = server.post(PATH, body).json()
    expected = Pipeline.load(tiny_bundle).explain(body["input"], body["targets"]).to_json()
    assert found["model"] == "tiny"
    assert [part["text"] for part in found["parts"]] == [part["text"] for part in expected["parts"]]
    for ours, theirs in zip(found["targets"], expected["targets"], strict=True):
        assert ours["target"] == theirs["target"]
        assert ours["weights"] == pytest.approx(theirs["weights"], abs=1e-5)
    assert found["faithfulness"]["comprehensiveness"] == pytest.approx(
        expected["faithfulness"]["comprehensiveness"], abs=1e-5
    )
    versioned = server.post(f"/v1/models/tiny/versions/{found['version']}:explain", body)
    assert versioned.json()["targets"] == found["targets"]
    assert "faithfulness" not in server.post(PATH, {"input": "good food", "faithfulness": False}).json()


def test_the_document_describes_it(server: Running) -> None:
    document = server.client.get("/openapi.json").json()
    assert server.client.get("/v1/models").json()["models"][0]["explains"] is True
    operation = document["paths"][PATH]["post"]
    schemas = {"components": document["components"]}
    for body, schema in (
        ({"input": "good food"}, operation["requestBody"]["content"]["application/json"]["schema"]),
        (
            server.post(PATH, {"input": "good food"}).json(),
            operation["responses"]["200"]["content"]["application/json"]["schema"],
        ),
    ):
        Draft202012Validator({**schema, **schemas}).validate(body)


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ({}, 400, "input: Field required"),
        ({"input": 3}, 400, "input: expected a text or an object"),
        ({"input": {"text": "good food", "other": "x"}}, 400, "input.other"),
        ({"input": ""}, 400, "input: String should have at least 1 character"),
        ({"input": "good"}, 400, "one word only"),
        ({"input": "good food", "targets": ["great"]}, 400, "could not be 'great'"),
        ({"input": "good food", "targets": ["x"] * 21}, 400, "targets"),
        ({"input": "good food", "more": 1}, 400, "more"),
        ({"input": "x" * 100_001}, 400, "at most 100000 characters"),
    ],
    ids=str,
)
def test_what_is_refused(server: Running, body: Any, status: int, message: str) -> None:
    response = server.post(PATH, body)
    assert response.status_code == status
    assert message in response.json()["error"]


def test_each_word_of_a_written_text_leans_on_words_of_its_source(generating_bundle: Path) -> None:
    path = "/v1/models/writer:explain"
    expected = Pipeline.load(generating_bundle, threads=1).explain("good food was <b>slow</b>").to_json()
    with serving(generating_bundle) as running:
        version = running.server.service.registry.model("writer").choose(None)
        assert running.client.get("/v1/models/writer").json()["explains"] is True
        found = running.post(path, {"input": "good food was <b>slow</b>"}).json()
        assert found["answer"]["text"] == expected["answer"]["text"]
        assert found["parts"] == expected["parts"]
        assert [one["target"] for one in found["targets"]] == [one["target"] for one in expected["targets"]]
        for ours, theirs in zip(found["targets"], expected["targets"], strict=True):
            assert ours["weights"] == pytest.approx(theirs["weights"], abs=1e-4)
        assert found["note"] == expected["note"]
        assert "faithfulness" not in found
        document = running.client.get("/openapi.json").json()
        answered = document["paths"][path]["post"]["responses"]["200"]["content"]["application/json"][
            "schema"
        ]
        Draft202012Validator({**answered, "components": document["components"]}).validate(found)
        word = found["targets"][0]["target"]
        (one,) = running.post(path, {"input": "good food was slow", "targets": [word]}).json()["targets"]
        assert one["target"] == word
        for body, message in (
            ({"input": "good food", "targets": ["xyz"]}, "the answer has no word 'xyz'"),
            ({"input": "good"}, "one word only"),
            ({"input": ""}, "at least 1 character"),
        ):
            response = running.post(path, body)
            assert response.status_code == 400
            assert message in response.json()["error"]
        version.inputs_in_flight += SETTINGS.batching.queue
        assert running.post(path, {"input": "good food was nice"}).status_code == 429
        version.inputs_in_flight -= SETTINGS.batching.queue
        assert version.inputs_in_flight == 0
        wait_until(lambda: running.server.service.memory.held == 0)  # given back once the answer is sent


def test_the_sources_that_are_scored_count_as_tokens(generating_bundle: Path) -> None:
    """Those of a longer answer, scored after each source, would be more than a request may have."""
    limits = replace(SETTINGS.limits, tokens=300)
    with serving(generating_bundle, limits=limits) as running:
        assert running.ask("good food was nice", model="writer").status_code == 200
        response = running.post("/v1/models/writer:explain", {"input": "good food was nice and slow to eat"})
        assert response.status_code == 413
        assert "the inputs have more than 300 tokens together" in response.json()["error"]


def test_its_inputs_wait_in_the_queue_and_are_nobodys_answers(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No drift, no counted predictions; and no room where the queue has none."""
    few = replace(SETTINGS.batching, queue=20)
    with serving(f"tiny={tiny_bundle}", batching=few) as running:
        version = running.server.service.registry.model("tiny").choose(None)
        counted: list[int] = []  # by metrics and drift
        monkeypatch.setattr(version, "_count", lambda _, answers: counted.append(len(answers)))
        assert running.post(PATH, {"input": "good food was nice"}).status_code == 200
        assert counted == []
        assert running.ask("good").status_code == 200
        assert counted == [1]
        version.inputs_in_flight += 18
        response = running.post(PATH, {"input": "good food was nice"})
        version.inputs_in_flight -= 18
        assert response.status_code == 429
        assert version.inputs_in_flight == 0


def test_a_long_text_has_larger_parts(server: Running) -> None:
    text = "good food was nice " * 5_000
    found = server.post(PATH, {"input": text[:100_000].strip(), "faithfulness": False})
    assert found.status_code == 200
    assert len(found.json()["parts"]) <= 8
    wait_until(lambda: server.server.service.memory.held == 0)
