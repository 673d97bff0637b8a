"""Streams written in one batch: which begin together, which join on the way, and what one does to the others."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from bundles import sentences
from serving import SETTINGS, Running, at_each_token, serving, version_of, wait_until

from ftcore_runtime import Pipeline
from ftcore_runtime.errors import BundleError
from ftcore_runtime.generation.graphs import GraphEncoderDecoder
from ftcore_runtime.generation.running import JoiningBatch


def stream(server: Running, text: str) -> httpx.Response:
    return server.post("/v1/models/writer:predict", {"inputs": [text], "stream": True})


def last(response: httpx.Response) -> Any:
    """The data of the last event, which has the whole answer."""
    return json.loads(response.text.rsplit("data: ", 1)[1])


class Third:
    """Stops a worker at the fourth token of its first stream, and keeps how many there were at each."""

    def __init__(self, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows: list[int] = []
        self._server, self._reached, self._rest = server, threading.Event(), threading.Event()
        at_each_token(version_of(server).pipeline.generator, monkeypatch, self._watch)

    def _watch(self, batch: JoiningBatch, _: int) -> None:
        self.rows.append(len(batch))
        if len(self.rows) == 4:
            self._reached.set()
            assert self._rest.wait(20)

    def meanwhile(self, first: Callable[[], Any], *others: Callable[[], Any]) -> list[Any]:
        """What comes of all, the others asked in their order while the first is written."""
        with ThreadPoolExecutor(1 + len(others)) as pool:
            asked: list[Future[Any]] = [pool.submit(first)]
            assert self._reached.wait(20)
            for other in others:
                asked.append(pool.submit(other))
                wait_until(lambda: version_of(self._server).inputs_in_flight == len(asked))
            self._rest.set()
            return [one.result() for one in asked]


@pytest.fixture
def alone(generating_bundle: Path) -> Callable[[str], Any]:
    """What a text's stream ends with."""
    pipeline = Pipeline.load(generating_bundle, threads=1)
    return lambda text: pipeline.predict([text])[0].to_json()


def test_streams_that_wait_begin_together(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[[str], Any]
) -> None:
    texts = sentences(6, longest=12, seed=7)
    with serving(generating_bundle) as server, ThreadPoolExecutor(6) as pool:
        rows = []

        def watch(batch: JoiningBatch, number: int) -> None:
            wait_until(lambda: number or version_of(server).inputs_in_flight == 6)
            rows.append(len(batch))

        at_each_token(version_of(server).pipeline.generator, monkeypatch, watch)
        found = list(pool.map(lambda text: stream(server, text), texts))
    assert [last(answer)["predictions"] for answer in found] == [[alone(text)] for text in texts]
    assert max(rows) == 6


def test_a_stream_joins_those_that_are_written(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[[str], Any]
) -> None:
    texts = ["good food", "the place was slow", "bad"]
    with serving(generating_bundle) as server:
        third = Third(server, monkeypatch)
        found = third.meanwhile(*(lambda text=text: stream(server, text) for text in texts))
    assert [last(answer)["predictions"] for answer in found] == [[alone(text)] for text in texts]
    assert third.rows[:5] == [1, 1, 1, 1, 3]


def test_more_streams_than_there_is_room_for_come_after(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(generating_bundle, batching=replace(SETTINGS.batching, texts=2)) as server:
        third = Third(server, monkeypatch)
        found = third.meanwhile(*(lambda text=text: stream(server, text) for text in ("good", "bad", "food")))
    assert all(last(answer)["predictions"] for answer in found)
    assert third.rows[4] == 1
    assert max(third.rows) == 2


def test_streams_that_join_keep_nobody_waiting(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(generating_bundle) as server:
        third, version = Third(server, monkeypatch), version_of(server)

        def scored() -> Any:
            scores = version.log_probabilities(["bad"], np.array([5, 6]), 20)
            assert server.server.loop is not None
            return asyncio.run_coroutine_threadsafe(scores, server.server.loop).result(20).shape

        first, shape, late = third.meanwhile(
            lambda: stream(server, "good food"), scored, lambda: stream(server, "nice")
        )
    assert shape == (1, 2)
    assert last(first)["predictions"]
    assert last(late)["predictions"]
    assert max(third.rows) == 1, "the late one did not join: another was before it"


def breaking(monkeypatch: pytest.MonkeyPatch, server: Running, fail: Callable[[Any, Any], Any]) -> None:
    """Where a model begins with the text `bad`, its logits and which rows have it go through `fail`."""
    pipeline = version_of(server).pipeline
    (bad,) = pipeline.decoder.prepare(["bad"], pipeline.encoder).encoded.input_ids
    start = GraphEncoderDecoder.start

    def begun(model: GraphEncoderDecoder, inputs: Any, prompt: Any) -> Any:
        rows = (inputs["input_ids"][:, : len(bad)] == bad).all(axis=1)
        logits = start(model, inputs, prompt)
        if rows.any():
            fail(logits, rows)
        return logits

    monkeypatch.setattr(GraphEncoderDecoder, "start", begun)


def test_one_that_no_number_comes_for_ends_alone(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[[str], Any]
) -> None:
    with serving(generating_bundle) as server:
        breaking(monkeypatch, server, lambda logits, rows: logits.__setitem__(rows, np.nan))
        third = Third(server, monkeypatch)
        texts = ("good", "bad", "food")
        good, bad, food = third.meanwhile(*(lambda text=text: stream(server, text) for text in texts))
    assert bad.status_code == 400
    assert bad.json()["error"] == "input 0: the model gives no finite number for it"
    assert [last(good)["predictions"], last(food)["predictions"]] == [[alone("good")], [alone("food")]]


def test_one_that_breaks_the_graph_fails_alone(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch, alone: Callable[[str], Any]
) -> None:
    def fail(logits: Any, rows: Any) -> None:
        raise BundleError("the graph failed")

    with serving(generating_bundle) as server:
        breaking(monkeypatch, server, fail)
        third = Third(server, monkeypatch)
        texts = ("good", "bad", "food")
        good, bad, food = third.meanwhile(*(lambda text=text: stream(server, text) for text in texts))
    assert bad.status_code == 500
    assert [last(good)["predictions"], last(food)["predictions"]] == [[alone("good")], [alone("food")]]
