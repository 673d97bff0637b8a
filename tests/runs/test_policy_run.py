"""A policy from spec to bundle: chosen on validation, measured on test, each variant its own, applied everywhere."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from graph_cache import working_in
from models import labelled_rows, tiny_spec
from models import tiny_base as tiny_base  # (fixture)
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore_runtime import Pipeline

POLICY = {"target_precision": 0.7, "conformal": {"method": "aps", "coverage": 0.9}}


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def noisy(count: int) -> list[dict[str, str]]:
    """Rows of which one in six has the wrong label."""
    rows = labelled_rows(count)
    draw = np.random.default_rng(0)
    other = {"pos": "neg", "neg": "pos"}
    return [{**row, "label": other[row["label"]] if draw.random() < 1 / 6 else row["label"]} for row in rows]


def write_jsonl(path: Path, rows: list[dict[str, str]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    folder = tmp_path_factory.mktemp("policy")
    rows = noisy(480)
    write_jsonl(folder / "train.jsonl", rows[:360])
    write_jsonl(folder / "gold.jsonl", rows[360:])
    data = {"train": "train.jsonl", "test": "gold.jsonl", "split": {"validation": 120}}
    spec = tiny_spec(tiny_base, training={"epochs": 3, "label_smoothing": 0.4}, policy=POLICY) | {
        "data": data
    }
    YAML().dump(spec, folder / "labels.yaml")
    with working_in(folder):
        assert main(["run", "labels.yaml"]) == 0
    return folder


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return min(project.glob("runs/labels/*/run.json")).parent


def test_what_the_policy_is_worth_is_measured_on_the_test_rows(run: Path) -> None:
    test = read(run / "metrics.json")["splits"]["test"]
    policy = test["policy"]
    assert policy["temperature"] != 1.0
    for name in ("log_loss", "brier", "ece"):
        assert policy["after"][name] == test["metrics"][name]
        assert policy["before"][name]["low"] <= policy["before"][name]["value"]
    assert policy["abstention"]["target_precision"] == 0.7
    assert 0 < policy["abstention"]["answered"]["value"] <= 1
    assert policy["sets"]["coverage"]["value"] > 0.8
    assert policy["unmet"] == []
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    given = [line for line in lines if not line["answer"]["abstained"]]
    assert len(given) / len(lines) == pytest.approx(policy["abstention"]["answered"]["value"])
    assert np.mean([line["correct"] for line in given]) == policy["abstention"]["precision"]["value"]
    covered = [line["reference"] in line["answer"]["prediction_set"] for line in lines]
    assert np.mean(covered) == policy["sets"]["coverage"]["value"]


def test_each_variant_has_its_own_and_answers_with_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    manifest = read(run / "bundle" / "bundle.json")
    assert manifest["decoder"]["policy"] == {
        key: read(run / "metrics.json")["splits"]["test"]["policy"][key]
        for key in ("temperature", "min_confidence", "conformal")
    }
    own = manifest["variants"]["int8"]["decoder"]["policy"]
    assert own != manifest["decoder"]["policy"]
    assert "decoder" not in manifest["variants"]["fp32"]
    exported = read(run / "export.json")["variants"]
    assert exported["int8"]["policy"]["min_confidence"] == own["min_confidence"]
    for variant in ("fp32", "int8"):
        assert main(["evaluate", "labels", "--input", "gold.jsonl", "--variant", variant, "--json"]) == 0
        found = json.loads(capsys.readouterr().out)["splits"]["gold"]
        assert found["metrics"] == exported[variant]["test"]["metrics"]
        assert found["policy"]["sets"] == exported[variant]["policy"]["sets"]
        assert found["policy"]["abstention"] == exported[variant]["policy"]["abstention"]
    pipeline = Pipeline.load(run / "bundle", "int8")
    assert pipeline.decoder.policy.temperature == own["temperature"]
    assert pipeline.selftest() == 8


def test_predict_says_that_it_abstains_and_still_gives_its_best_guess(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    if not (unsure := [line for line in lines if line["answer"]["abstained"]]):
        pytest.skip("the model is sure of everything")
    assert main(["predict", "labels", "--variant", "fp32", "--text", unsure[0]["input"]]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(unsure[0]["answer"]["label"])
    assert " (abstained)" in shown


def test_the_summary_and_the_report_say_it(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "labels", "--input", "gold.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "calibration error" in shown
    assert "of the answers are given; of those" in shown
    assert "of the sets have the right label (asked: 90%)" in shown
    report = (run / "report.html").read_text()
    assert "Policy" in report
    assert "before the temperature" in report


def test_too_few_validation_rows_are_refused_before_the_training(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ["--set", "data.split.validation=32", "--set", "policy.target_precision=0.99"]
    assert main(["run", "labels.yaml", *arguments]) == 2
    shown = capsys.readouterr().err
    assert "policy.target_precision: needs 230 validation rows, and there are 32" in shown


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("policy.min_confidence=0.9", "give one of `min_confidence` and `target_precision`"),
        ("data.problem=multi_label", "`policy.conformal` cannot be kept to by this kind of answer"),
    ],
)
def test_what_cannot_be_kept_to_is_an_error_of_the_spec(
    run: Path, capsys: pytest.CaptureFixture[str], override: str, message: str
) -> None:
    assert main(["validate", "labels.yaml"]) == 0
    assert main(["run", "labels.yaml", "--set", override]) == 2
    assert message in capsys.readouterr().err


def test_the_worst_errors_are_explained_in_the_report(run: Path) -> None:
    errors = read(run / "explanations.json")["errors"]
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    wrong = {line["row"]: line for line in lines if not line["correct"]}
    assert 0 < len(errors) <= 10
    for error in errors:
        assert error["input"] == wrong[error["row"]]["input"]
        assert "".join(piece for piece, _ in error["texts"]["text"]) == error["input"]
    report = (run / "report.html").read_text()
    assert "What the wrong answers rest on" in report
    assert report.count('class="words"') == len(errors)


def test_the_words_that_drive_each_label(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "labels", "--global", "--rows", "60"]) == 0
    shown = capsys.readouterr().out
    assert shown.splitlines()[0] == "words that drive each label, over 60 validation rows"
    found = read(run / "explanations.json")
    assert set(found["labels"]["labels"]) == {"neg", "pos"}
    for words in found["labels"]["labels"].values():
        assert words
        assert all(one["low"] <= one["weight"] <= one["high"] and one["count"] >= 3 for one in words)
    assert found["labels"]["labels"]["pos"][0]["word"] in ("good", "nice")
    train = read(run / "run.json")["data_report"]["rows"]["train"]
    for error in found["errors"]:
        assert len(error["similar"]) == 3
        similar = [row["similarity"] for row in error["similar"]]
        assert similar == sorted(similar, reverse=True)
        assert all(int(row["row"].rpartition(":")[2]) <= 360 for row in error["similar"]), train
    assert "\nwrong: " in shown
    assert "  like it: " in shown
    report = (run / "report.html").read_text()
    assert "Words that drive each label" in report
    assert "Training rows like it" in report


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--global", "--label", "pos"], "--label: goes with --text"),
        (["--global", "--rows", "0"], "--rows: must be at least 1"),
        (["--global", "--text", "good"], "not allowed with"),
        ([], "one of the arguments --text --global --sanity is required"),
    ],
)
def test_what_explain_refuses_of_a_whole_run(
    run: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert main(["explain", "labels", *arguments]) == 2
    assert message in capsys.readouterr().err
