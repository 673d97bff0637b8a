"""Bundles of earlier schema versions answer as they did; one whose version was lowered is refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bundles import CopyBundle, edit, refused

from ftcore_runtime.pipeline import Pipeline


def before_version_4(manifest: dict[str, Any], version: int) -> None:
    """Take the decoder's distribution out, which version 4 brought."""
    del manifest["decoder"]["distribution"], manifest["decoder"]["version"]
    manifest["decoder"] = {"family": manifest["decoder"].pop("name"), **manifest["decoder"]}
    manifest["schema_version"] = version


def test_a_bundle_of_schema_version_1_is_read(copy_bundle: CopyBundle) -> None:
    folder = copy_bundle()

    def back(manifest: dict[str, Any]) -> None:
        before_version_4(manifest, 1)
        for variant in manifest["variants"].values():
            for key in ("speed", "batch_invariant", "failures"):
                del variant[key]

    edit(folder, back)
    pipeline = Pipeline.load(folder)
    assert pipeline.selftest() == 4
    variant = pipeline.manifest.variants["fp32"]
    assert (variant.batch_invariant, variant.failures) == (None, None), "not recorded is not the same as none"
    assert pipeline.manifest.to_json() == json.loads((folder / "bundle.json").read_text())


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(schema_version=1), "unknown key: 'speed'"),
        (lambda m: m["variants"]["fp32"].pop("failures"), "'failures' is missing"),
        (lambda m: m["variants"]["fp32"].update(failures=None), "expected a list, got null"),
        (
            lambda m: (lower(m), m["provenance"].update(export={})),
            "holds 'export', which only exporters of later",
        ),
        (
            lambda m: (lower(m), m["provenance"].update(metric="f1")),
            "holds 'metric', which only exporters of",
        ),
        (
            lambda m: m["encoder"].update(target_tokenizer="tokenizer.json"),
            "holds 'target_tokenizer', which only",
        ),
    ],
)
def test_a_schema_version_that_was_lowered_is_refused(
    copy_bundle: CopyBundle, change: Callable[[dict[str, Any]], object], says: str
) -> None:
    """Else what the exporter recorded, gates that are not met above all, would count as never said."""
    folder = copy_bundle()
    edit(folder, lambda m: before_version_4(m, 2))
    edit(folder, change)
    refused(folder, says)


def lower(manifest: dict[str, Any]) -> None:
    manifest["schema_version"] = 1
    for variant in manifest["variants"].values():
        for key in ("speed", "batch_invariant", "failures"):
            del variant[key]


def test_a_bundle_that_names_no_distribution_answers_as_it_did(
    copy_bundle: CopyBundle, tiny_bundle: Path
) -> None:
    folder = copy_bundle()
    edit(folder, lambda manifest: before_version_4(manifest, 2))
    pipeline = Pipeline.load(folder)
    assert pipeline.selftest() == 4
    texts = ["good food", "a slow place"]
    assert pipeline.predict(texts) == Pipeline.load(tiny_bundle).predict(texts)
    assert len(pipeline.predict([("good food", "a slow place")])) == 1, (
        "it does not say that it reads no pairs"
    )
    assert pipeline.manifest.to_json() == json.loads((folder / "bundle.json").read_text()), (
        "and so its fingerprint"
    )
    edit(folder, lambda manifest: manifest.update(family="span_extraction"))
    refused(folder, "the decoder is of another family")
