"""Bundles that earlier code wrote, with its answers: they are read from files, and answer as they did."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from ftcore_runtime.pipeline import Pipeline

#: Each holds a graph of a few kilobytes, and the answers of the runtime of its time to texts one by one.
BUNDLES = sorted((Path(__file__).parent / "earlier_bundles").iterdir())


def same(found: Any, expected: Any) -> bool:
    """Whether two values are equal; numbers may differ by the rounding of another CPU's kernels."""
    if isinstance(expected, dict):
        return all(same(found[key], value) for key, value in expected.items())
    if isinstance(expected, float):
        return found == pytest.approx(expected, abs=1e-6)
    return found == expected


@pytest.mark.parametrize("variant", ["fp32", "int8"])
@pytest.mark.parametrize("folder", BUNDLES, ids=lambda folder: folder.name)
def test_a_bundle_of_earlier_code_answers_as_it_did(folder: Path, variant: str) -> None:
    kept = json.loads((folder / "answers.json").read_text())
    pipeline = Pipeline.load(folder / "bundle", variant)
    assert pipeline.selftest() == 2
    for given, expected in zip(kept["inputs"], kept[variant], strict=True):
        (answer,) = pipeline.predict([tuple(given) if isinstance(given, list) else given])
        assert same(asdict(answer), expected)
