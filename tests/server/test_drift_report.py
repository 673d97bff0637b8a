"""Drift: the histograms that a bundle carries, and how far live traffic is from them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from bundles import sentences
from serving import Running, process, serving

from ftcore_export.bundle_writer import BundleSource, write_bundle
from ftcore_runtime import Pipeline
from ftcore_runtime.answers import LabelAnswer, LabelsAnswer, ValueAnswer
from ftcore_runtime.decoders import Prepared
from ftcore_runtime.encoding import Encoded
from ftcore_runtime.errors import BundleError
from ftcore_runtime.reference import Histogram, Reference
from ftcore_runtime.spans import SpanAnswer
from ftcore_runtime.special_tokens import unknown_id
from ftcore_server.drift import ENOUGH, WINDOW, Drift

TEXTS = sentences(400, seed=3)


@pytest.fixture(scope="module")
def reference(tiny_bundle: Path) -> Reference:
    pipeline = Pipeline.load(tiny_bundle, threads=1)
    prepared = pipeline.decoder.prepare(TEXTS, pipeline.encoder)
    return Reference.of(
        prepared, pipeline.predict(TEXTS), pipeline.labels, unknown_id(pipeline.encoder.tokenizer)
    )


@pytest.fixture(scope="module")
def watched(
    reference: Reference, bundle_arguments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A bundle with the histograms."""
    arguments = {**bundle_arguments, "reference": reference.to_json()}
    return write_bundle(tmp_path_factory.mktemp("drift") / "tiny", BundleSource(**arguments))


@pytest.fixture(scope="module")
def server(watched: Path) -> Iterator[Running]:
    with serving(watched) as running:
        yield running


def test_a_reference_is_what_was_seen(reference: Reference) -> None:
    assert reference.rows == 400
    assert set(reference.measures) == {"confidence", "label", "length", "unknown"}
    assert all(sum(histogram.counts) == 400 for histogram in reference.measures.values())
    assert Reference.from_json(reference.to_json(), "here") == reference
    assert reference.measures["unknown"].counts[0] == 400, "every word is in the vocabulary"


def test_traffic_like_the_evaluation_is_no_drift_and_other_traffic_is(server: Running) -> None:
    report = server.client.get("/v1/models/tiny/drift").json()
    assert set(report["psi"].values()) == {None}, "too little is seen to tell"
    for start in range(0, 400, 200):
        server.ask(*TEXTS[start : start + 200])
    report = server.client.get("/v1/models/tiny/drift").json()
    assert report["rows"] == 400
    assert all(value < 0.01 for value in report["psi"].values())
    for _ in range(4):
        server.ask(*["\u4f60" + " \u597d" * 30] * 200)
    version = report["version"]
    report = server.client.get("/v1/models/tiny/drift").json()
    assert report["psi"]["unknown"] > 1
    assert report["psi"]["length"] > 1
    shown = server.metric("ftcore_drift_psi", model="tiny", version=version, measure="unknown")
    assert shown == pytest.approx(report["psi"]["unknown"])
    assert "/v1/models/tiny/drift" in server.client.get("/openapi.json").json()["paths"]


def test_several_processes_look_back_on_the_inputs_of_all(watched: Path) -> None:
    """Each is asked over connections of its own: all 400 inputs are like the evaluation's, and none alone has them."""
    with process(watched, "--processes", "2") as (_, url):
        shown = httpx.get(f"{url}/v1/models/tiny/drift", trust_env=False, timeout=20).json()
        assert (shown["rows"], shown["window"], shown["psi"]["label"]) == (0, 2 * WINDOW, None)
        for start in range(0, 400, 10):
            asked = {"inputs": TEXTS[start : start + 10]}
            httpx.post(f"{url}/v1/models/tiny:predict", json=asked, trust_env=False, timeout=20)
        for _ in range(8):
            report = httpx.get(f"{url}/v1/models/tiny/drift", trust_env=False, timeout=20).json()
            assert report["rows"] == 400
            assert all(value < 0.01 for value in report["psi"].values())


def test_the_index_is_that_of_its_definition() -> None:
    histogram = Histogram((1.0,), None, (999, 999))
    found = histogram.psi(np.array([1499, 499]))
    assert found == pytest.approx(0.25 * np.log(1.5) - 0.25 * np.log(0.5), rel=1e-2)
    assert histogram.psi(np.array([10_000, 10_000])) == pytest.approx(0, abs=1e-9)


def test_only_the_latest_inputs_count() -> None:
    drift = Drift(Reference(2, {"label": Histogram(None, ("a", "b"), (1000, 1000, 0))}))
    drift.add({"label": "a"} for _ in range(WINDOW))
    assert (drift.psi(drift.seen())["label"] or 0) > 1
    drift.add({"label": name} for name in "ab" * (WINDOW // 2))
    assert (drift.psi(drift.seen())["label"] or 0) < 0.01
    assert drift.seen().rows == WINDOW
    fresh = Drift(drift.reference)
    fresh.add({"label": "a"} for _ in range(ENOUGH - 1))
    assert fresh.psi(fresh.seen()) == {"label": None}


def test_every_kind_of_answer_is_counted() -> None:
    several = LabelsAnswer(["b", "a"], {"a": 0.6, "b": 0.9})
    assert (several.category, several.confidence) == ("b", 0.9)
    assert LabelsAnswer([], {"a": 0.1}).category == "(none)"
    assert LabelAnswer("a", 0.7, {"a": 0.7}).category == "a"
    assert (SpanAnswer("x", 0, 1, 0.5).category, SpanAnswer("").category) == ("answer", "no answer")
    assert (ValueAnswer(2.0).category, ValueAnswer(2.0).confidence) == (None, None)
    encoded = Encoded([[1, 2], [1], [1, 1, 1]], None, np.array([2, 1, 3]), np.zeros(3, bool))
    prepared = Prepared(encoded, np.array([0, 0, 1]))
    made = Reference.of(prepared, [ValueAnswer(1.0), ValueAnswer(9.0)], (), None)
    assert set(made.measures) == {"value", "length"}
    assert made.measures["length"].edges == (3.0,), "windows of one input count together"


@pytest.mark.parametrize(
    "histogram",
    [
        {"edges": [1, 1], "counts": [0, 0, 0]},
        {"edges": [1], "counts": [0]},
        {"edges": ["x"], "counts": [0, 0]},
        {"names": ["a"], "counts": [0, -1]},
        {"names": ["a"], "counts": [0, True]},
        {"counts": []},
        3,
    ],
    ids=repr,
)
def test_a_spoiled_reference_is_refused(histogram: object) -> None:
    with pytest.raises(BundleError):
        Reference.from_json({"rows": 1, "measures": {"confidence": histogram}}, "here")
    with pytest.raises(BundleError, match="a few names of letters"):
        Reference.from_json({"rows": 1, "measures": {"a b": {"edges": [], "counts": [1]}}}, "here")
