from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from bundles import Tiny, sentences

from ftcore_export import speed
from ftcore_export.bundle_writer import BundleSource, VariantSource, write_bundle
from ftcore_export.invariance import measure_invariance
from ftcore_export.sensitivity import fewest
from ftcore_export.speed import measure_speed, timed, warm_up
from ftcore_export.variants import KINDS
from ftcore_runtime.pipeline import Pipeline


@pytest.fixture(scope="module")
def every_kind(tiny: Tiny, bundle_arguments: dict[str, Any], tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("kinds")
    graphs = {name: make(tiny.fp32, folder / f"{name}.onnx") for name, make in KINDS.items()}
    variants = {name: VariantSource({"model": path}) for name, path in graphs.items()}
    return write_bundle(folder / "bundle", BundleSource(**{**bundle_arguments, "variants": variants}))


@pytest.mark.parametrize("name", KINDS)
def test_only_a_scale_a_batch_lets_batch_mates_matter(every_kind: Path, name: str) -> None:
    found = measure_invariance(Pipeline.load(every_kind, name), sentences(100))
    assert (found.rows, found.batches) == (48 + 5, 3)  # and those that are made up
    assert found.holds == (name != "int8_tensor"), found
    if name == "fp32":
        assert found.largest < 1e-5


def test_speed_is_of_the_pipeline(tiny_bundle: Path) -> None:
    pipeline, seconds = timed(lambda: Pipeline.load(tiny_bundle))
    warm_up(pipeline, sentences(20))
    found = measure_speed(pipeline, seconds, sentences(20))
    assert 0 < found.p50_ms <= found.p95_ms
    assert found.load_ms > 0
    assert found.rows_per_second > 0
    with pytest.raises(ValueError, match="nothing to time"):
        measure_speed(pipeline, seconds, [])


def test_speed_is_what_the_clock_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loading takes 250 ms, a text alone 2 ms and every tenth one 9 ms, a row of a batch half a millisecond."""
    now = 0.0
    alone: list[str] = []

    class Timed:
        generates = False

        def predict(self, inputs: list[str], batch_size: int = 0) -> None:
            nonlocal now
            if batch_size:
                now += 0.0005 * len(inputs)
            else:
                alone.extend(inputs)
                now += 0.009 if len(alone) % 10 == 0 else 0.002

    def load() -> Any:
        nonlocal now
        now += 0.25
        return Timed()

    monkeypatch.setattr(speed, "time", SimpleNamespace(perf_counter=lambda: now))
    monkeypatch.setattr(speed, "_SINGLE", 20)
    pipeline, seconds = timed(load)
    found = measure_speed(pipeline, seconds, sentences(20))
    assert (found.load_ms, found.p50_ms, found.p95_ms) == pytest.approx((250, 2, 9))
    assert found.rows_per_second == pytest.approx(2000)
    answered = len(alone)
    found = measure_speed(pipeline, seconds, sentences(20), answered=(1000, 4.0))
    assert found.rows_per_second == pytest.approx(250)
    assert len(alone) == answered + 20  # one at a time; of batches there was enough


@pytest.mark.parametrize("needed", range(6))
def test_the_fewest_operators_are_found(needed: int) -> None:
    ranked = [("model", str(index)) for index in range(5)]
    tried: list[int] = []

    def good(keep: Any) -> bool:
        tried.append(len(keep))
        return len(keep) >= needed

    assert fewest(ranked, good) == ranked[:needed]
    assert len(tried) <= 4
