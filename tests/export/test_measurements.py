from pathlib import Path
from typing import Any

import pytest
from bundles import Tiny, sentences

from ftcore_export.bundle_writer import BundleSource, VariantSource, write_bundle
from ftcore_export.invariance import measure_invariance
from ftcore_export.sensitivity import fewest
from ftcore_export.speed import measure_speed
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
    assert (found.rows, found.batches) == (48 + 5, 4)  # and those that are made up
    assert found.holds == (name != "int8_tensor"), found
    if name == "fp32":
        assert found.largest < 1e-5


def test_speed_is_of_the_pipeline(tiny_bundle: Path) -> None:
    speed = measure_speed(lambda: Pipeline.load(tiny_bundle), sentences(20))
    assert 0 < speed.p50_ms <= speed.p95_ms < speed.load_ms * 10
    assert speed.rows_per_second > 1000 / speed.p95_ms / 10
    with pytest.raises(ValueError, match="nothing to time"):
        measure_speed(lambda: Pipeline.load(tiny_bundle), [])


@pytest.mark.parametrize("needed", range(6))
def test_the_fewest_operators_are_found(needed: int) -> None:
    ranked = [("model", str(index)) for index in range(5)]
    tried: list[int] = []

    def good(keep: Any) -> bool:
        tried.append(len(keep))
        return len(keep) >= needed

    assert fewest(ranked, good) == ranked[:needed]
    assert len(tried) <= 4
