"""`/v1/completions` and `/v1/chat/completions`: texts in the shape of OpenAI's API, whole and streamed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import Running, serving

COMPLETIONS, CHATS = "/v1/completions", "/v1/chat/completions"


@pytest.fixture(scope="module")
def server(generating_bundle: Path, tiny_bundle: Path) -> Iterator[Running]:
    with serving(generating_bundle, tiny_bundle) as running:
        yield running


def message(text: str, **more: Any) -> dict[str, Any]:
    return {"model": "writer", "messages": [{"role": "user", "content": text}], **more}


def chunks(server: Running, path: str, body: Any) -> list[dict[str, Any]]:
    with server.client.stream("POST", path, json={**body, "stream": True}) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    return [json.loads(line) for line in lines]


def test_texts_are_those_of_predict(server: Running) -> None:
    texts = ["good food", "bad"]
    predicted = [one["text"] for one in server.ask(*texts, model="writer").json()["predictions"]]
    found = server.post(COMPLETIONS, {"model": "writer", "prompt": texts}).json()
    assert [one["text"] for one in found["choices"]] == predicted
    assert (found["object"], found["model"], found["id"][:5]) == ("text_completion", "writer", "cmpl-")
    assert [one["index"] for one in found["choices"]] == [0, 1]
    usage = found["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]
    assert usage["prompt_tokens"] == 2 + 1 + 1 + 1, "the words, and the end of each prompt"
    said = server.post(CHATS, message("good food")).json()
    assert said["object"] == "chat.completion"
    (choice,) = said["choices"]
    assert choice["message"] == {"role": "assistant", "content": predicted[0]}
    assert choice["finish_reason"] in ("stop", "length")
    headers = server.post(CHATS, message("good food"), headers={"x-request-id": "mine"})
    assert headers.json()["id"] == "chatcmpl-mine"
    assert server.metric("ftcore_requests_total", route="chat_completions", model="writer", status="200") >= 2


@pytest.mark.parametrize("path", [COMPLETIONS, CHATS])
def test_streamed(server: Running, path: str) -> None:
    body = message("good food") if path == CHATS else {"model": "writer", "prompt": "good food"}
    whole = server.post(path, body).json()["choices"][0]
    found = chunks(server, path, body)
    assert len(found) > 2, "piece by piece"
    assert len({one["id"] for one in found}) == 1
    choices = [one["choices"][0] for one in found]
    assert [one["finish_reason"] for one in choices[:-1]] == [None] * (len(choices) - 1)
    assert choices[-1]["finish_reason"] == whole["finish_reason"]
    if path == CHATS:
        assert "".join(one["delta"].get("content", "") for one in choices) == whole["message"]["content"]
        assert {one["object"] for one in found} == {"chat.completion.chunk"}
        assert choices[-1]["delta"] == {}
    else:
        assert "".join(one["text"] for one in choices) == whole["text"]


@pytest.mark.parametrize(
    ("path", "body", "status", "error"),
    [
        (COMPLETIONS, {"prompt": "a"}, 400, "model: Field required"),
        (COMPLETIONS, {"model": "nobody", "prompt": "a"}, 404, "there is no such model"),
        (COMPLETIONS, {"model": "tiny", "prompt": "a"}, 404, "'tiny' writes no texts: ask /v1/models/tiny:predict"),
        (COMPLETIONS, {"model": "writer", "prompt": ["a", "b"], "stream": True}, 400, "stream: an answer is streamed"),
        (COMPLETIONS, {"model": "writer", "prompt": ""}, 400, "prompt"),
        (COMPLETIONS, {"model": "writer", "prompt": "   "}, 400, "the text is empty"),
        (COMPLETIONS, {"model": "writer", "prompt": "a", "temperature": 0.5}, 400, "temperature: how texts are"),
        (COMPLETIONS, {"model": "writer", "prompt": "a", "n": 2}, 400, "n: Input should be 1"),
        (COMPLETIONS, {"model": "writer", "prompt": "a", "other": 1}, 400, "other"),
        (CHATS, {"model": "writer", "messages": []}, 400, "messages"),
        (CHATS, [], 400, "the body: expected an object"),
        (
            CHATS,
            {"model": "writer", "messages": [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]},
            400,
            "messages: expected one message of the user: what the system says is in the bundle",
        ),
        (CHATS, {"model": "writer", "messages": [{"role": "robot", "content": "a"}]}, 400, "messages.0.role"),
    ],
)  # fmt: skip
def test_what_is_not_read_is_said(server: Running, path: str, body: Any, status: int, error: str) -> None:
    response = server.post(path, body)
    assert response.status_code == status
    assert error in response.json()["error"]
    assert set(response.json()) == {"error", "code", "request_id"}


def test_limits_are_those_of_predict(generating_bundle: Path) -> None:
    from dataclasses import replace

    from serving import SETTINGS

    limits = replace(SETTINGS.limits, characters=5, inputs=1)
    with serving(generating_bundle, limits=limits, token="secret") as running:
        assert running.post(CHATS, message("good")).status_code == 401
        named = {"headers": {"authorization": "Bearer secret"}}
        assert running.post(CHATS, message("good"), **named).status_code == 200
        assert "at most 5 characters" in running.post(CHATS, message("good food"), **named).json()["error"]
        two = {"model": "writer", "prompt": ["a", "b"]}
        assert "at most 1 item" in running.post(COMPLETIONS, two, **named).json()["error"]
        late = {"headers": {**named["headers"], "x-request-timeout": "nan"}}
        assert running.post(CHATS, message("good"), **late).status_code == 400


def test_the_document_has_them_where_a_model_writes(server: Running, tiny_bundle: Path) -> None:
    document = server.client.get("/openapi.json").json()
    assert {COMPLETIONS, CHATS} <= document["paths"].keys()
    assert document["components"]["schemas"]["ChatRequest"]["required"] == ["messages", "model"]
    with serving(tiny_bundle) as running:
        assert CHATS not in running.client.get("/openapi.json").json()["paths"]
