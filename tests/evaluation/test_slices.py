"""Slices, and changes of texts that answers should not depend on: from spec to exit code, run and bundle alike."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from graph_cache import working_in
from models import labelled_rows, tiny_spec
from models import tiny_base as tiny_base  # (fixture)
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.data.perturbation import swapped, typos
from ftcore.evaluation.slices import is_linear
from ftcore_runtime import Pipeline

SLICES = [
    {"name": "short", "max_characters": 16},
    {"name": "positive", "label": "pos"},
    {"name": "slow things", "pattern": r"\bslow\b"},
    {"name": "by phone", "where": [{"column": "channel", "one_of": ["phone"]}]},
    {"name": "old", "where": [{"column": "year", "max": 1999}]},
    {"name": "repeated", "pattern": "(?:o+)+x"},
]

INVARIANCE = [
    {"perturbation": "typos", "at_least": 0.01},
    {"name": "opposites", "pairs": [["good", "bad"], ["nice", "slow"]], "at_least": 0.001},
    {"name": "from a file", "pairs": "pairs.csv", "at_least": 0.01},
]


def read(path: Path) -> Any:
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    folder = tmp_path_factory.mktemp("slices")
    rows = [
        {**row, "channel": "phone" if index % 4 == 0 else "mail", "year": 2000 + index % 5}
        for index, row in enumerate(labelled_rows(160))
    ]
    for name, part in (("train", rows[:120]), ("gold", rows[120:])):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in part))
    data = {
        "train": "train.jsonl",
        "test": "gold.jsonl",
        "keep": ["channel", "year"],
        "split": {"validation": 32},
    }
    (folder / "pairs.csv").write_text("from,to\nfood,place\n")
    spec = tiny_spec(tiny_base, training={"epochs": 1}, slices=SLICES, checks={"invariance": INVARIANCE})
    YAML().dump({**spec, "data": data, "export": {"variants": ["fp32"]}}, folder / "labels.yaml")
    with working_in(folder):
        assert main(["run", "labels.yaml"]) == 0
    return folder


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    return min(project.glob("runs/labels/*/run.json")).parent


def test_slices_are_measured_the_worst_first(run: Path) -> None:
    lines = [json.loads(line) for line in (run / "predictions.test.jsonl").read_text().splitlines()]
    found = read(run / "metrics.json")["splits"]["test"]["slices"]
    by_name = {one["slice"]: one for one in found}
    expected = {
        "short": [line for line in lines if len(line["input"]) <= 16],
        "positive": [line for line in lines if line["reference"] == "pos"],
        "slow things": [line for line in lines if "slow" in line["input"].split()],
        "by phone": [line for line in lines if line["kept"]["channel"] == "phone"],
        "old": [],
    }
    for name, rows in expected.items():
        assert by_name[name]["rows"] == len(rows)
        assert all((name in line["slices"]) == (line in rows) for line in lines)
        if rows:
            metric = by_name[name]["metric"]
            assert metric["value"] == sum(line["correct"] for line in rows) / len(rows)
            assert metric["low"] < metric["value"] or metric["value"] == 0
    values = [one["metric"]["value"] for one in found if one["metric"]]
    assert values == sorted(values)
    assert [one["slice"] for one in found[len(values) :]] == ["old", "repeated"], (
        "those without rows come last"
    )


def test_they_are_shown_and_their_errors_listed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "labels", "-v"]) == 0
    shown = capsys.readouterr().out
    assert "each slice, the worst first" in shown
    assert "no rows" in shown
    report = (run / "report.html").read_text()
    assert "<h2>Slices</h2>" in report
    assert "answers that stay where the text changes" in shown
    assert "Other texts, same answers?" in report
    assert "opposites" in (run / "bundle" / "README.md").read_text()
    assert main(["errors", "labels", "--slice", "by phone"]) == 0
    assert "10 test rows of the slice `by phone` are wrong" in capsys.readouterr().out


def test_answers_are_compared_with_those_to_changed_texts(run: Path) -> None:
    lines = {
        line["input"]: line["answer"]["label"]
        for line in map(json.loads, (run / "predictions.test.jsonl").read_text().splitlines())
    }
    found = {one["check"]: one for one in read(run / "metrics.json")["splits"]["test"]["invariance"]}
    assert found["typos"]["rows"] == found["opposites"]["rows"] == len(lines)
    assert found["from a file"]["rows"] == sum(bool({"food", "place"} & {*text.split()}) for text in lines)
    pipeline = Pipeline.load(run / "bundle")
    for name, change in (("typos", typos), ("opposites", swapped([["good", "bad"], ["nice", "slow"]]))):
        again = [answer.label for answer in pipeline.predict([change(text) for text in lines])]  # type: ignore[attr-defined]
        same = sum(one == two for one, two in zip(lines.values(), again, strict=True))
        assert found[name]["same"]["value"] == same / len(lines)
        assert found[name]["same"]["low"] < found[name]["same"]["value"] or same == 0
        assert len(found[name]["examples"]) == min(5, len(lines) - same)
    kept = read(run / "bundle" / "bundle.json")["metrics"]["splits"]["test"]["invariance"]
    assert kept == [{key: one[key] for key in one if key != "examples"} for one in found.values()]


def test_answers_that_change_too_often_end_with_exit_code_3(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = "checks.invariance=[{name: opposites, pairs: [[good, bad], [nice, slow]], at_least: 1.0},"
    checks += " {name: unseen, pairs: [[zebra, lion]], at_least: 0.5}, {perturbation: case, at_least: 0.001}]"
    more = ["--set", "name=moved", "--set", "training.epochs=8"]
    assert main(["train", "labels.yaml", *more, "--set", checks]) == 0
    assert main(["evaluate", "moved"]) == 3
    shown = capsys.readouterr().err
    assert "checks.invariance: unseen: it changes no row" in shown
    assert "changed rows stay; wanted: 100.0%" in shown
    assert "checks.invariance: case" not in shown


def test_a_slice_below_its_minimum_ends_with_exit_code_3(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    checks = ["--set", "checks.slices={positive: 1.01, old: 0.5, short: 0}", "--set", "training.max_steps=1"]
    assert main(["train", "labels.yaml", "--set", "name=checked", *checks]) == 0
    assert main(["evaluate", "checked"]) == 3
    shown = capsys.readouterr().err
    assert "checks.slices.positive: accuracy is " in shown
    assert "wanted: 1.01" in shown
    assert "checks.slices.old: no row is of this slice" in shown
    assert "checks.slices.short" not in shown


def test_a_bundle_is_measured_by_slices_too(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "labels", "--input", "gold.jsonl", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["splits"]["gold"]
    expected = [
        one for one in read(run / "metrics.json")["splits"]["test"]["slices"] if one["slice"] != "repeated"
    ]
    assert found["slices"] == expected
    measured = read(run / "metrics.json")["splits"]["test"]["invariance"]
    assert found["invariance"] == measured[:2], "the file of pairs is not in the bundle"
    assert any("the slice `repeated` is left out" in warning for warning in found["warnings"])
    Path("bare.jsonl").write_text('{"text": "good food", "label": "pos"}\n')
    assert main(["evaluate", "labels", "--input", "bare.jsonl"]) == 0, "what is kept may be missing"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("slices=[{name: x}]", "give at least one of `label`"),
        ("slices=[{name: x, pattern: '('}]", "is no regular expression"),
        (
            "slices=[{name: x, min_characters: 9, max_characters: 2}]",
            "`min_characters` 9 is above `max_characters` 2: no row is within",
        ),
        ("slices=[{name: x, where: [{column: age, min: 3, max: 2.5}]}]", "`min` 3 is above `max` 2.5"),
        ("slices=[{name: x, label: pos}, {name: x, label: neg}]", "`slices` has 'x' more than once"),
        ("slices=[{name: x, label: psitive}]", "the slice `x`: unknown label 'psitive'; the labels are "),
        ("slices=[{name: x, where: [{column: age, min: 3}]}]", "looks at 'age': list it in `data.keep`"),
        ("checks.slices={shrot: 0.5}", "`checks.slices` names 'shrot', which is none of `slices`"),
        ("checks.invariance=[{at_least: 0.9}]", "give one of `perturbation` and `pairs`"),
        ("checks.invariance=[{pairs: [[a, b]], at_least: 0.9}]", "`pairs` need a `name`"),
        (
            "checks.invariance=[{perturbation: case, at_least: 1}, {perturbation: case, at_least: 1}]",
            "`invariance` has 'case' more than once",
        ),
        (
            "checks.invariance=[{name: x, pairs: none.csv, at_least: 1}]",
            "no such file or folder: `none.csv`",
        ),
        ("data.keep=[chanel]", "there is no column 'chanel'"),
        ("slices=[{name: x, where: [{column: channel, min: 3}]}]", "compares numbers, and 'phone' is none"),
    ],
)
def test_what_is_wrong_is_found_before_the_training(
    run: Path, capsys: pytest.CaptureFixture[str], override: str, message: str
) -> None:
    arguments = ["--set", override, "--set", "training.max_steps=1"]
    if "chanel" in override:
        arguments += ["--set", "slices=[]"]
    assert main(["train", "labels.yaml", *arguments]) == 2, "before the training"
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("pattern", "linear"),
    [
        ("money", True),
        (r"\bmoney\b", True),
        ("(?i)refund|money back", True),
        (r"[0-9]+", True),
        (r"\b[0-9]+\b", False),
        (r"(a+)+$", False),
        (r".*x.*y", False),
        (r"(?=a)b", False),
    ],
)
def test_which_expressions_of_a_bundle_are_searched_for(pattern: str, linear: bool) -> None:
    assert is_linear(pattern) is linear
