"""Batches: which features share one, and that requests at the same time get the answers they get alone."""

from __future__ import annotations

import random
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from bundles import sentences
from serving import SETTINGS, Running, serving, wait_until

from ftcore_runtime import Pipeline
from ftcore_runtime.decoders import Prepared
from ftcore_runtime.errors import BundleError, InputError
from ftcore_server.batch_choice import choose
from ftcore_server.work import Feature


def features(*lengths: int) -> list[Feature]:
    work: Any = object()
    return [Feature(length, work, index) for index, length in enumerate(lengths)]


def chosen(tokens: int, *lengths: int) -> list[int]:
    return sorted(feature.length for feature in choose(features(*lengths), tokens))


def test_a_batch_holds_the_one_that_waited_longest_and_those_like_it() -> None:
    assert chosen(100, 10, 90, 11, 9, 12) == [9, 10, 11, 12]
    assert chosen(100, 90, 10, 11, 9, 12) == [90]
    assert chosen(30, 10, 10, 10, 10, 10) == [10, 10, 10]
    assert chosen(5, 10) == [10], "one that is longer than the budget goes alone"
    assert chosen(1000, 10, 20) == [10, 20]
    assert chosen(1000, 10, 30) == [10], "a third of the batch would be padding"


def test_what_has_come_late_overtakes_nothing_that_fills_some_batches() -> None:
    waiting = features(10, *[50] * 12, *[10] * 9)
    assert choose(waiting, 100) == waiting[:1], "six batches' worth came before the others like it"
    assert choose(waiting[11:], 100) == waiting[11:13]
    assert len(choose(features(10, *[50] * 9, *[10] * 9), 100)) == 10


@pytest.mark.parametrize("seed", range(30))
def test_budget_and_padding_hold_whatever_waits(seed: int) -> None:
    draw = random.Random(seed)
    waiting = features(*(draw.randint(1, 300) for _ in range(draw.randint(1, 40))))
    tokens = draw.randint(1, 600)
    batch = choose(waiting, tokens)
    assert waiting[0] in batch
    assert len(set(map(id, batch))) == len(batch)
    cells = max(feature.length for feature in batch) * len(batch)
    assert len(batch) == 1 or cells <= tokens
    assert sum(feature.length for feature in batch) >= 0.75 * cells


@pytest.mark.parametrize("workers", [1, 2])
def test_requests_side_by_side_get_the_answers_they_get_alone(tiny_bundle: Path, workers: int) -> None:
    texts = sentences(120, longest=30, seed=5)
    expected = [answer.to_json() for answer in Pipeline.load(tiny_bundle, threads=1).predict(texts)]
    batching = replace(SETTINGS.batching, workers=workers, delay_seconds=0.02)
    with serving(tiny_bundle, batching=batching) as server, ThreadPoolExecutor(12) as pool:
        found = list(pool.map(lambda text: server.ask(text).json()["predictions"][0], texts))
        version = server.client.get("/v1/models/tiny").json()["default"]
        batches = server.metric("ftcore_batch_features_count", model="tiny", version=version)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["label"] == theirs["label"]
        assert ours["score"] == pytest.approx(theirs["score"], abs=1e-5)
    assert batches < len(texts), "some shared a batch"


def test_texts_written_side_by_side_are_those_written_alone(generating_bundle: Path) -> None:
    texts = sentences(30, longest=12, seed=6)
    expected = [answer.to_json() for answer in Pipeline.load(generating_bundle, threads=1).predict(texts)]
    batching = replace(SETTINGS.batching, workers=2, delay_seconds=0.02, texts=4)
    with serving(generating_bundle, batching=batching) as server, ThreadPoolExecutor(12) as pool:
        version = server.client.get("/v1/models/writer").json()["default"]
        alone = list(pool.map(lambda text: server.ask(text, model="writer").json()["predictions"][0], texts))
        batches = server.metric("ftcore_batch_features_count", model="writer", version=version)
        (*several,) = server.ask(*texts, model="writer").json()["predictions"]
    assert alone == several == expected
    assert len(texts) / 4 <= batches < len(texts), "some shared a batch, of four at most"


def test_a_text_that_cannot_be_written_fails_its_own_request_alone(
    generating_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batching = replace(SETTINGS.batching, workers=1, delay_seconds=0.5)
    with serving(generating_bundle, batching=batching) as server, ThreadPoolExecutor(2) as pool:
        pipeline = server.server.service.registry.model("writer").choose(None).pipeline
        (bad,) = pipeline.decoder.prepare(["bad"], pipeline.encoder).encoded.input_ids
        run, sizes = pipeline.generator.run, []

        def breaking(prepared: Prepared, size: int, **options: Any) -> Any:
            sizes.append(size)
            broken = [
                row for row, ids in zip(prepared.row, prepared.encoded.input_ids, strict=True) if ids == bad
            ]
            if broken:
                raise InputError("the model gives no finite number for it", where=f"input {broken[0]}")
            return run(prepared, size, **options)

        monkeypatch.setattr(pipeline.generator, "run", breaking)
        good = pool.submit(server.ask, "food", "good", model="writer")
        refused = pool.submit(server.ask, "good", "bad", model="writer").result()
        assert good.result().status_code == 200
    assert refused.status_code == 400
    assert refused.json()["error"].startswith("input 1:")
    assert sorted(sizes) == [2, 2, 4]


class Held:
    """A gate in a version's session: batches wait at it until it is opened."""

    def __init__(self, server: Running, monkeypatch: pytest.MonkeyPatch) -> None:
        session = server.server.service.registry.model("tiny").choose(None).pipeline.session
        self.open = threading.Event()
        self.runs: list[int] = []
        run = session.run

        def wait(feeds: Any) -> Any:
            self.runs.append(len(feeds["input_ids"]))
            self.open.wait(10)
            return run(feeds)

        monkeypatch.setattr(session, "run", wait)


def test_a_full_queue_is_429_with_retry_after(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        serving(tiny_bundle, batching=replace(SETTINGS.batching, queue=3)) as server,
        ThreadPoolExecutor(8) as pool,
    ):
        gate = Held(server, monkeypatch)
        waiting = [pool.submit(server.ask, "good food") for _ in range(3)]
        version = server.server.service.registry.model("tiny").choose(None)
        wait_until(lambda: version.inputs_in_flight == 3)
        refused = server.ask("bad")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert refused.json()["code"] == "overloaded"
        for path in ("/v1/models/tiny:predict", "/v2/models/tiny/infer"):  # before anything is made of a body
            assert server.client.post(path, content=b"{").status_code == 429
        gate.open.set()
        assert {future.result().status_code for future in waiting} == {200}
        assert server.ask("bad").status_code == 200
        assert server.metric("ftcore_rejections_total", reason="overloaded") == 3


def test_a_deadline_is_504_and_what_is_queued_does_not_run(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tiny_bundle) as server, ThreadPoolExecutor(8) as pool:
        gate = Held(server, monkeypatch)
        first = pool.submit(server.ask, "good food")
        wait_until(lambda: gate.runs)
        late = server.ask("bad", headers={"x-request-timeout": "0.1"})
        assert (late.status_code, late.json()["code"]) == (504, "deadline")
        gate.open.set()
        assert first.result().status_code == 200
        assert server.ask("nice").status_code == 200
        assert gate.runs == [1, 1], "the late one never ran"


def test_what_a_client_left_does_not_run(tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(tiny_bundle) as server, ThreadPoolExecutor(8) as pool:
        gate = Held(server, monkeypatch)
        first = pool.submit(server.ask, "good food")
        wait_until(lambda: gate.runs)
        version = server.server.service.registry.model("tiny").choose(None)
        server.left("/v1/models/tiny:predict", {"inputs": ["bad"]}, version)
        gate.open.set()
        assert first.result().status_code == 200
        assert server.ask("nice").status_code == 200
        assert gate.runs == [1, 1]


def test_one_bad_request_does_not_fail_its_batch_mates(
    tiny_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(tiny_bundle) as server, ThreadPoolExecutor(8) as pool:
        gate = Held(server, monkeypatch)
        session = server.server.service.registry.model("tiny").choose(None).pipeline.session
        run = session.run

        def spoiled(feeds: Any) -> Any:
            if feeds["input_ids"].shape[0] > 1 and gate.open.is_set():
                raise BundleError("the graph failed")
            return run(feeds)

        monkeypatch.setattr(session, "run", spoiled)
        first = pool.submit(server.ask, "very nice food")
        wait_until(lambda: gate.runs)
        others = [pool.submit(server.ask, "good food") for _ in range(3)]
        version = server.server.service.registry.model("tiny").choose(None)
        wait_until(lambda: len(version._batcher._arrived) == 3)
        gate.open.set()
        assert {future.result().status_code for future in [first, *others]} == {200}


def test_threads_end_with_the_server(tiny_bundle: Path) -> None:
    with serving(tiny_bundle) as server:
        server.ask("good")
        assert any(thread.name.startswith("batches-") for thread in threading.enumerate())
    ours = ("batches-", "tokenize")
    wait_until(lambda: not any(thread.name.startswith(ours) for thread in threading.enumerate()))
