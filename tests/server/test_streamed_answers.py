"""Answers streamed while they are written: what arrives, what ends them early, and what they leave behind."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from serving import SETTINGS, Running, at_each_token, serving, version_of, wait_until

from ftcore_runtime import Pipeline
from ftcore_runtime.errors import BundleError
from ftcore_runtime.generation.running import JoiningBatch

PREDICT = "/v1/models/writer:predict"


@pytest.fixture
def server(generating_bundle: Path) -> Iterator[Running]:
    with serving(generating_bundle) as running:
        yield running


def body(text: str) -> dict[str, Any]:
    return {"inputs": [text], "stream": True}


def events(response: httpx.Response) -> Iterator[tuple[str, dict[str, Any]]]:
    """Name and data of each event, as they arrive."""
    name = "message"
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            yield name, json.loads(line.removeprefix("data: "))
            name = "message"
        else:
            assert line == ""


def streamed(server: Running, text: str, **named: Any) -> list[tuple[str, dict[str, Any]]]:
    with server.client.stream("POST", PREDICT, json=body(text), **named) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        return list(events(response))


class Gate:
    """Holds a generator's tokens back, and lets through as many as a test wants."""

    def __init__(self, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.allowed = threading.Semaphore(0)
        self.asked = 0
        at_each_token(version_of(server).pipeline.generator, monkeypatch, self._hold)

    def _hold(self, batch: JoiningBatch, number: int) -> None:
        self.asked += 1
        self._batch = batch
        assert self.allowed.acquire(timeout=20)

    def let(self, tokens: int = 1000) -> None:
        self.allowed.release(tokens)

    def writes(self) -> bool:
        return len(self._batch) > 0


class Deadlines:
    """The deadlines of streamed answers: they pass when the test says so."""

    def __init__(self, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self._loop = server.server.loop
        self._passed = False
        self._newest: asyncio.Timeout | None = None
        timeout_at = asyncio.timeout_at

        def kept(when: float | None) -> asyncio.Timeout:
            self._newest = timeout_at(0 if self._passed else when)
            return self._newest

        monkeypatch.setattr(asyncio, "timeout_at", kept)

    def let_pass(self) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(self._now)

    def _now(self) -> None:
        self._passed = True
        assert self._newest is not None
        self._newest.reschedule(0)


@contextmanager
def opened(server: Running, text: str = "good food", **named: Any) -> Iterator[httpx.Response]:
    """A stream whose first piece has come, on a connection of its own."""
    with (
        httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client,
        client.stream("POST", PREDICT, json=body(text), **named) as response,
    ):
        yield response


@pytest.mark.parametrize("text", ["good food", "bad", "the place was slow"])
def test_the_pieces_are_the_whole_answer(server: Running, generating_bundle: Path, text: str) -> None:
    *pieces, last = streamed(server, text)
    assert {name for name, _ in pieces} == {"message"}
    assert all(piece["text"] for _, piece in pieces)
    whole = server.ask(text, model="writer").json()
    assert "".join(piece["text"] for _, piece in pieces) == whole["predictions"][0]["text"]
    assert last == ("end", whole)
    assert len(pieces) > 5
    assert whole["predictions"][0]["text"] == Pipeline.load(generating_bundle).predict([text])[0].text  # type: ignore[union-attr]


def test_pieces_come_while_the_answer_is_written(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(server, monkeypatch)
    gate.let(3)
    with opened(server) as response:
        found = events(response)
        assert next(found)[1]["text"]
        assert gate.writes()
        assert server.client.get("/healthz").status_code == 200, "the event loop is free meanwhile"
        gate.let()
        assert list(found)[-1][0] == "end"


def test_streams_are_counted(server: Running) -> None:
    streamed(server, "good food")
    labels = {"model": "writer", "version": version_of(server).version}
    assert server.metric("ftcore_streamed_tokens_total", **labels) > 5
    assert server.metric("ftcore_first_token_seconds_count", **labels) == 1
    assert server.metric("ftcore_request_seconds_count", route="predict", model="writer") == 1
    assert server.metric("ftcore_queue_inputs", **labels) == 0


def test_what_a_client_left_is_written_no_further(server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate(server, monkeypatch)
    gate.let(3)
    with opened(server) as response:
        assert next(events(response))
    wait_until(lambda: server.metric("ftcore_rejections_total", reason="client_left") == 1)
    before = gate.asked
    gate.let()
    wait_until(lambda: not gate.writes())
    assert gate.asked <= before + 1, "it ends within a token"
    assert version_of(server).inputs_in_flight == 0
    assert server.ask("bad", model="writer").status_code == 200, "the worker is free"


def test_a_client_that_leaves_before_the_first_piece(
    server: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = Gate(server, monkeypatch)
    server.left(PREDICT, body("good food"), version_of(server), begun=lambda: gate.asked == 1)
    gate.let(1)
    wait_until(lambda: not gate.writes())
    assert gate.asked <= 2


def test_a_full_queue_is_429(generating_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(generating_bundle, batching=replace(SETTINGS.batching, queue=2)) as server,
        ThreadPoolExecutor(4) as pool,
    ):
        gate = Gate(server, monkeypatch)
        waiting = [pool.submit(streamed, server, "good food") for _ in range(2)]
        wait_until(lambda: version_of(server).inputs_in_flight == 2)
        refused = server.post(PREDICT, body("bad"))
        assert (refused.status_code, refused.json()["code"]) == (429, "overloaded")
        assert int(refused.headers["retry-after"]) >= 1
        gate.let()
        assert [future.result()[-1][0] for future in waiting] == ["end", "end"]


@pytest.mark.parametrize("tokens", [0, 2])
def test_the_deadline_is_a_status_before_the_first_piece_and_an_event_after_it(
    server: Running, monkeypatch: pytest.MonkeyPatch, tokens: int
) -> None:
    gate = Gate(server, monkeypatch)
    deadlines = Deadlines(server, monkeypatch)
    headers = {"x-request-timeout": "60", "x-request-id": "mine"}
    if tokens:
        gate.let(tokens)
        with opened(server, headers=headers) as response:
            assert response.status_code == 200
            pieces = events(response)
            assert next(pieces)[0] == "message"
            deadlines.let_pass()
            *_, (name, error) = pieces
            assert name == "error"
    else:
        with ThreadPoolExecutor(1) as pool:
            late = pool.submit(server.post, PREDICT, body("good food"), headers=headers)
            wait_until(lambda: gate.asked)
            deadlines.let_pass()
            assert late.result().status_code == 504
            error = late.result().json()
    assert error == {"error": "the answer was not ready in time", "code": "deadline", "request_id": "mine"}
    assert server.metric("ftcore_rejections_total", reason="deadline") == 1
    gate.let()
    wait_until(lambda: not gate.writes())


@pytest.mark.parametrize(
    ("fault", "code", "says"),
    [
        (RuntimeError("a secret"), "internal", "the request could not be answered"),
        (BundleError("a secret"), "internal", "the request could not be answered"),
    ],
    ids=["unexpected", "graph"],
)
def test_an_error_in_the_middle_is_an_event(
    server: Running, monkeypatch: pytest.MonkeyPatch, fault: Exception, code: str, says: str
) -> None:
    def failing(_: JoiningBatch, number: int) -> None:
        if number == 2:
            raise fault

    at_each_token(version_of(server).pipeline.generator, monkeypatch, failing)
    first, *_, (name, error) = streamed(server, "good food", headers={"x-request-id": "abc"})
    assert first[0] == "message"
    assert (name, error) == ("error", {"error": says, "code": code, "request_id": "abc"})
    monkeypatch.undo()
    assert streamed(server, "good food")[-1][0] == "end", "the worker lives on"


def test_what_is_not_streamed(tiny_bundle: Path, server: Running) -> None:
    for inputs, says in ((["a", "b"], "one input"), ([], "one input"), ([" "], "input 0: the text is empty")):
        refused = server.post(PREDICT, {"inputs": inputs, "stream": True})
        assert refused.status_code == 400
        assert says in refused.json()["error"]
    assert server.post(PREDICT, {"inputs": ["good"], "stream": "yes"}).status_code == 400
    assert server.post(PREDICT, {"inputs": ["good", "bad"], "stream": False}).status_code == 200
    with serving(tiny_bundle) as labels:
        refused = labels.post("/v1/models/tiny:predict", {"inputs": ["good"], "stream": True})
        assert refused.status_code == 400
        assert refused.json()["error"] == "stream: only models that write texts stream their answers"
        assert not labels.client.get("/v1/models/tiny").json()["streams"]


def test_a_stream_that_began_before_the_end_is_finished(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(generating_bundle) as server:
        gate = Gate(server, monkeypatch)
        gate.let(2)
        with opened(server) as response:
            found = events(response)
            next(found)
            server.server.handle_exit(15, None)
            wait_until(lambda: server.server.should_exit)
            gate.let()
            assert list(found)[-1][0] == "end"
        wait_until(lambda: not server._thread.is_alive())
        assert not server.server.service.cut_short


def test_a_stream_that_outlasts_the_grace_is_cut(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(generating_bundle, grace_seconds=1.0) as server:
        gate = Gate(server, monkeypatch)
        gate.let(2)
        with opened(server) as response:
            found = events(response)
            next(found)
            server.server.handle_exit(15, None)
            threading.Timer(2.0, gate.let).start()
            with pytest.raises(httpx.RemoteProtocolError):
                list(found)
        wait_until(lambda: not server._thread.is_alive())
        assert server.server.service.cut_short


def test_the_document_and_the_model_say_so(
    server: Running, make_generating_bundle: Callable[..., Path]
) -> None:
    operation = server.client.get("/openapi.json").json()["paths"][PREDICT]["post"]
    assert set(operation["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert server.client.get("/v1/models/writer").json()["streams"]
    with serving(make_generating_bundle(num_beams=2)) as beams:
        assert not beams.client.get("/v1/models/writer").json()["streams"], "it is not the same answer"
        assert streamed(beams, "good food")[-1][0] == "end"
