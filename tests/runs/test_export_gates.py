"""The default variant chosen by measurement, as a user sees it, and the gates one by one."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
from models import tiny_spec, write_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.runs.gates import Measured, check, choose, drop
from ftcore.spec.export import GatesSpec
from ftcore_export.invariance import Invariance
from ftcore_export.parity import Parity
from ftcore_export.speed import Speed
from ftcore_runtime import Pipeline

MEASURED = Measured(
    bytes=10_000_000,
    parity=Parity(8, 0.1, [], 0),
    validation={"metrics": {"accuracy": {"value": 0.9}, "mse": {"value": 2.0}}},
    test={},
    speed=Speed(100.0, 5.0, 9.0, 300.0, 2),
    invariance=Invariance(48, 4, 0.001, 0),
)


def failures(found: Measured = MEASURED, dropped: float = 0.0, **gates: Any) -> list[str]:
    return check(
        GatesSpec.model_validate(gates),
        found,
        metric="accuracy",
        dropped=dropped,
        higher_is_better=lambda name: name != "mse",
    )


def test_each_gate_says_what_it_misses() -> None:
    assert failures() == []
    assert failures(dropped=0.5) == []
    assert failures(dropped=0.51) == ["accuracy drops by 0.51 points; allowed: 0.5"]
    assert failures(dropped=float("nan")) == ["accuracy drops by nan points; allowed: 0.5"]
    assert failures(dropped=9.0, max_metric_drop=None) == []
    assert failures(min_metric={"accuracy": 0.9, "mse": 2.0}) == []
    assert failures(min_metric={"accuracy": 0.91}) == ["accuracy is 0.9000; wanted: 0.91"]
    assert failures(min_metric={"mse": 1.9}) == ["mse is 2.0000; wanted: 1.9"]
    assert failures(max_latency_ms={"p50": 5.0, "p95": 8.0}) == ["p95 latency is 9.00 ms; allowed: 8"]
    assert failures(max_size_mb=10) == []
    assert failures(max_size_mb=9.99) == ["has 10.0 MB; allowed: 9.99"]
    depends = dataclasses.replace(MEASURED, invariance=Invariance(48, 4, 0.3, 2))
    (failure,) = failures(depends)
    assert "2 of 48 answers change" in failure
    assert failures(depends, batch_invariant=False) == []


def test_points_are_of_the_metric_own_scale() -> None:
    assert drop("f1", 0.9, 0.89, higher_is_better=True, point=0.01) == pytest.approx(1.0)
    assert drop("mse", 1.0, 1.5, higher_is_better=False, point=1.0) == pytest.approx(0.5)
    assert drop("mse", 1.0, 0.5, higher_is_better=False, point=1.0) == pytest.approx(-0.5)
    assert drop("pearson", 0.9, float("nan"), higher_is_better=True, point=0.01) == float("inf")


def test_the_smallest_or_the_fastest_of_those_that_pass() -> None:
    def variant(size: int, p50: float, *failures: str) -> Measured:
        speed = dataclasses.replace(MEASURED.speed, p50_ms=p50)
        return dataclasses.replace(MEASURED, bytes=size, speed=speed, failures=failures)

    variants = {"a": variant(3, 1.0), "b": variant(2, 2.0), "c": variant(1, 0.5, "too bad")}
    assert choose(variants, "smallest") == "b"
    assert choose(variants, "fastest") == "a"
    assert choose({"c": variants["c"]}, "smallest") is None


def run(project: Path, base: Path, **export: Any) -> tuple[int, dict[str, Any], Path]:
    path = project / "labels.yaml"
    YAML().dump(tiny_spec(base, training={"epochs": 3}, export=export), path)
    code = main(["run", str(path)])
    (record,) = project.glob("runs/*/*/run.json")
    return code, json.loads((record.parent / "export.json").read_text()), record.parent


def test_auto_measures_everything_and_keeps_the_choice(project: Path, tiny_base: Path, capsys) -> None:
    code, report, folder = run(project, tiny_base, variants="auto")
    assert code == 0
    assert {"fp32", "int8", "int8_tensor", "weights8"} <= report["variants"].keys()
    passing = {name: found["bytes"] for name, found in report["variants"].items() if not found["failures"]}
    assert report["default"] == min(passing, key=passing.__getitem__) != "fp32"
    manifest = Pipeline.load(folder / "bundle").manifest
    assert manifest.default_variant == report["default"]
    assert set(manifest.variants) == {"fp32", report["default"]}
    assert manifest.variants["fp32"].batch_invariant is True
    assert manifest.variants["fp32"].speed["p50_ms"] > 0
    assert set(manifest.provenance["export"]["left_out"]) == set(report["variants"]) - set(manifest.variants)
    out = capsys.readouterr().out
    card = (folder / "bundle" / "README.md").read_text()
    for name in report["variants"]:
        assert name in out
        assert name in card
    assert "not made: bf16" in out


def test_none_passes_and_nothing_is_lost(project: Path, tiny_base: Path, capsys) -> None:
    gates = {"max_size_mb": 0.0001, "min_metric": {"accuracy": 0.5}}
    code, report, folder = run(project, tiny_base, variants=["int8", "fp32"], gates=gates)
    assert code == 3
    captured = capsys.readouterr()
    assert "no variant passes every gate" in captured.err
    assert "rows/s" in captured.out
    assert report["default"] == "fp32"
    manifest = Pipeline.load(folder / "bundle").manifest
    assert "MB; allowed: 0.0001" in manifest.variants["int8"].failures[0]


def test_a_gate_on_a_metric_that_is_not_there_stops_before_training(
    project: Path, tiny_base: Path, capsys
) -> None:
    path = project / "labels.yaml"
    YAML().dump(tiny_spec(tiny_base, export={"gates": {"min_metric": {"f2": 0.5}}}), path)
    assert main(["run", str(path)]) == 2
    assert "export.gates.min_metric: no metric 'f2'" in capsys.readouterr().err


def test_operators_are_kept_in_float_until_the_budget_is_met(project: Path, tiny_base: Path) -> None:
    """One input weighs a million and is always zero: 8 bits are not enough for the others next to it."""
    import torch
    from safetensors.torch import load_file, save_file

    code, _, folder = run(project, tiny_base, variants=["fp32"])
    assert code == 0
    path = folder / "model" / "model.safetensors"
    weights = load_file(path)
    with torch.no_grad():
        weights["classifier.weight"][:, 0] = 1e6
        weights["bert.pooler.dense.weight"][0] = 0
        weights["bert.pooler.dense.bias"][0] = 0
    save_file(weights, path, metadata={"format": "pt"})
    spec = json.loads((folder / "spec.resolved.json").read_text())
    spec["export"]["variants"] = "auto"
    write_spec(folder, spec)
    assert main(["export", str(folder)]) == 0
    report = json.loads((folder / "export.json").read_text())
    mixed = report["variants"]["int8_mixed"]
    assert report["variants"]["int8"]["failures"]
    assert mixed["failures"] == []
    assert len(mixed["kept_in_float"]) == 1
    assert mixed["bytes"] < report["variants"]["fp32"]["bytes"]
