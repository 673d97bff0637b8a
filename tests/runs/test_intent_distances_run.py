"""Texts of no intent, found by their distance to the training rows: chosen, exported, and computed without torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from bundles import WORDS
from models import tiny_base  # noqa: F401 (fixture)

from ftcore.cli import main
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import create_run
from ftcore.runs.steps import take_steps
from ftcore.runs.workspace import Workspace
from ftcore.spec import load_spec
from ftcore.training.stopping import StopRequest
from ftcore_runtime import Pipeline

INTENTS = ("good", "bad", "slow", "nice")
FILLERS = [word for word in WORDS if word not in INTENTS]


def rows(count: int, words: tuple[str, ...], label: str | None = None) -> list[dict[str, str]]:
    """Texts with one of the words, which is their intent, among fillers."""
    made = []
    for index in range(count):
        word = words[index % len(words)]
        rest = [FILLERS[(index // len(words) // 10**digit + digit) % len(FILLERS)] for digit in range(3)]
        made.append({"text": " ".join([word, *rest]), "label": label or word})
    return made


def spec_of(base: Path, method: str, train: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "task": "intent",
        "data": {"train": train, "out_of_scope": "none", "split": {"validation": 60, "test": 60}},
        "model": {"base": str(base), "max_length": 16, "pooling": "mean"},
        "rejection": {"method": method},
        "training": {
            "recipe": "plain",
            "epochs": 6,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "precision": "fp32",
        },
        "evaluation": {"bootstrap": 50},
        "export": {"variants": ["fp32", "int8"]},
        "checks": {"audit": "off"},
    }


def test_distances_are_exported_and_answered_without_torch(
    tmp_path: Path,
    tiny_base: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    train = [*rows(240, INTENTS), *rows(90, tuple(FILLERS), "none")]
    (tmp_path / "far.yaml").write_text(json.dumps(spec_of(tiny_base, "mahalanobis", train)))
    assert main(["run", str(tmp_path / "far.yaml"), "--runs-dir", str(tmp_path / "runs")]) == 0
    (run,) = (tmp_path / "runs" / "far").iterdir()
    test = json.loads((run / "metrics.json").read_text())["splits"]["test"]
    assert test["metrics"]["closed_accuracy"]["value"] >= 0.9
    assert test["metrics"]["oos_auroc"]["value"] >= 0.9
    assert (test["rejection"]["method"], test["rejection"]["chosen_on"]) == ("mahalanobis", "the spec")
    exported = json.loads((run / "export.json").read_text())["variants"]
    assert exported["fp32"]["parity"]["flips"] == []
    assert set(exported) == {"fp32", "int8"}
    manifest = json.loads((run / "bundle" / "bundle.json").read_text())
    assert manifest["decoder"]["space"]["means"]["shape"] == [4, 32]
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    pipeline = Pipeline.load(run / "bundle", "fp32")
    assert pipeline.session.outputs == ["logits", "pooled"]
    for line, answer in zip(lines, pipeline.predict([line["input"] for line in lines]), strict=True):
        assert answer.in_scope == pytest.approx(line["answer"]["in_scope"], rel=1e-3, abs=1e-3)
        assert answer.label == line["answer"]["label"]
    int8 = Pipeline.load(run / "bundle", "int8")
    assert int8.decoder.method == "mahalanobis", (
        "a variant has a threshold of its own, and the method of the model"
    )
    capsys.readouterr()
    assert main(["predict", str(run / "bundle"), "--text", "food was the very"]) == 0
    assert capsys.readouterr().out.startswith("(out of scope) nearest: ")


def test_without_examples_intents_are_held_out_of_the_frozen_base(
    tmp_path: Path,
    tiny_base: Path,  # noqa: F811
) -> None:
    (tmp_path / "none.yaml").write_text(json.dumps(spec_of(tiny_base, "auto", rows(300, INTENTS))))
    resolved = load_spec(tmp_path / "none.yaml", PluginRegistry.discover())
    workspace = Workspace(create_run(resolved, tmp_path / "runs"), resolved.spec, resolved.task, ())
    take_steps(workspace, ["train", "evaluate"], StopRequest())
    found = json.loads(workspace.folder.metrics_file.read_text())["splits"]["test"]["rejection"]
    assert found["chosen_on"] == "intents held out of the frozen base model"
    assert set(found["auroc"]) == {"probability", "energy", "mahalanobis", "knn"}
    assert found["auroc"][found["method"]] == max(found["auroc"].values())
    assert found["threshold"] is not None
    fitted = workspace.family.fitted
    assert workspace.family.reader.restore(json.loads(json.dumps(fitted.to_json()))).method == fitted.method


def test_a_head_of_the_architecture_has_no_space(
    tmp_path: Path,
    tiny_base: Path,  # noqa: F811
    capsys: pytest.CaptureFixture[str],
) -> None:
    spec = spec_of(tiny_base, "knn", rows(200, INTENTS))
    del spec["model"]["pooling"]
    (tmp_path / "own.yaml").write_text(json.dumps(spec))
    assert main(["run", str(tmp_path / "own.yaml"), "--runs-dir", str(tmp_path / "runs")]) == 2
    printed = capsys.readouterr().err
    assert "`rejection.method: knn` reads pooled states, and this base model has a head of its own" in printed
    assert "help: give `model.pooling`: mean, first_token, max or last_token" in printed
