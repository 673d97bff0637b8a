"""Slices: kinds of test rows on their own, from spec to exit code; which expressions of a bundle are searched for."""

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
from ftcore.evaluation.slices import is_linear

SLICES = [
    {"name": "short", "max_characters": 16},
    {"name": "positive", "label": "pos"},
    {"name": "slow things", "pattern": r"\bslow\b"},
    {"name": "by phone", "where": [{"column": "channel", "one_of": ["phone"]}]},
    {"name": "old", "where": [{"column": "year", "max": 1999}]},
    {"name": "repeated", "pattern": "(?:o+)+x"},
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
    spec = tiny_spec(tiny_base, training={"epochs": 1}, slices=SLICES)
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
    assert "<h2>Slices</h2>" in (run / "report.html").read_text()
    assert main(["errors", "labels", "--slice", "by phone"]) == 0
    assert "10 test rows of the slice `by phone` are wrong" in capsys.readouterr().out


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
    assert any("the slice `repeated` is left out" in warning for warning in found["warnings"])
    Path("bare.jsonl").write_text('{"text": "good food", "label": "pos"}\n')
    assert main(["evaluate", "labels", "--input", "bare.jsonl"]) == 0, "what is kept may be missing"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("slices=[{name: x}]", "give at least one of `label`"),
        ("slices=[{name: x, pattern: '('}]", "is no regular expression"),
        ("slices=[{name: x, label: pos}, {name: x, label: neg}]", "`slices` has 'x' more than once"),
        ("slices=[{name: x, where: [{column: age, min: 3}]}]", "looks at 'age': list it in `data.keep`"),
        ("checks.slices={shrot: 0.5}", "`checks.slices` names 'shrot', which is none of `slices`"),
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
