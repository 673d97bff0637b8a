"""`ftcore evaluate BUNDLE --input`: the run's own figures from its bundle, whatever the file, and without torch."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from graph_cache import working_in
from models import labelled_rows, tiny_spec
from models import tiny_base as tiny_base  # (fixture)
from ruamel.yaml import YAML

from ftcore.cli import main


def read(path: Path) -> Any:
    return json.loads(path.read_text())


def write_rows(path: Path, rows: list[dict[str, str]]) -> None:
    """As a spreadsheet of another country has them: semicolons, GB18030, and names of its own."""
    with path.open("w", encoding="gb18030", newline="") as file:
        table = csv.writer(file, delimiter=";")
        table.writerow(["序号", "评论", "情感"])
        table.writerows([number, f"{row['text']} 好", row["label"]] for number, row in enumerate(rows))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A folder with train.csv, gold.csv and a run, `labels`, whose test rows are those of gold.csv."""
    folder = tmp_path_factory.mktemp("evaluated")
    rows = labelled_rows(160)
    write_rows(folder / "train.csv", rows[:120])
    write_rows(folder / "gold.csv", rows[120:])
    written = {"delimiter": ";", "encoding": "gb18030"}
    data = {
        "train": {"path": "train.csv", **written},
        "test": {"path": "gold.csv", **written},
        "columns": {"text": "评论", "label": "情感"},
        "split": {"validation": 32},
    }
    YAML().dump(tiny_spec(tiny_base, training={"epochs": 1}) | {"data": data}, folder / "labels.yaml")
    with working_in(folder):
        assert main(["run", "labels.yaml"]) == 0
    return folder


@pytest.fixture
def run(project: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(project)
    (record,) = project.glob("runs/labels/*/run.json")
    return record.parent


def test_the_same_rows_give_the_figures_of_the_run_to_the_last_digit(
    run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    variants = read(run / "export.json")["variants"]
    for variant in ("fp32", "int8"):
        arguments = ["evaluate", "labels", "--input", "gold.csv", "--variant", variant, "--json"]
        assert main(arguments) == 0
        found = json.loads(capsys.readouterr().out)
        assert found["splits"]["gold"]["metrics"] == variants[variant]["test"]["metrics"], "intervals too"
        assert found["splits"]["gold"]["rows"] == 40
    of_run = read(run / "metrics.json")["splits"]["test"]
    assert not variants["fp32"]["parity"]["flips"]
    assert main(["evaluate", str(run / "bundle"), "--input", "gold.csv", "--variant", "fp32", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["splits"]["gold"]
    assert found["metrics"]["accuracy"] == of_run["metrics"]["accuracy"]
    assert found["confusion"] == of_run["confusion"]


def test_what_is_printed_and_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "labels", "--input", "gold.csv", "--output", "answers.jsonl"]) == 0
    shown = capsys.readouterr().out
    assert "variant fp32, on gold.csv" in shown
    assert "on 40 gold rows (95% interval)" in shown
    assert "warning: 40 rows are few" in shown
    assert "each label, the lowest F1 first" in shown
    lines = [json.loads(line) for line in Path("answers.jsonl").read_text().splitlines()]
    assert len(lines) == 40
    assert lines[0]["row"] == "gold.csv:2"
    assert lines[0].keys() == {"row", "input", "reference", "answer", "summary", "correct", "confidence"}


def test_predict_reads_the_file_as_the_training_did(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "labels", "--input", "gold.csv", "--keep"]) == 0
    first = json.loads(capsys.readouterr().out.splitlines()[0])
    assert first["input"]["评论"].endswith("好")
    assert main(["predict", "labels", "--input", "gold.csv", "--columns", "text=text"]) == 2
    shown = capsys.readouterr().err
    assert "there is no column 'text'" in shown
    assert "name it with --columns text=NAME" in shown
    Path("other.jsonl").write_text('{"body": "good food"}\n', encoding="utf-8")
    assert main(["predict", "labels", "--input", "other.jsonl"]) == 3
    assert "other.jsonl:1: has no '评论'" in capsys.readouterr().err
    assert main(["predict", "labels", "--input", "other.jsonl", "--columns", "text=body"]) == 0


def test_a_file_that_is_written_otherwise(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Path("other.csv").write_text("body,stars\ngood food,pos\nbad food,neg\n", encoding="utf-8")
    written = ["--columns", "text=body", "label=stars", "--delimiter", ",", "--encoding", "utf-8"]
    assert main(["evaluate", "labels", "--input", "other.csv", *written, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["splits"]["gold"]["rows"] == 2


@pytest.mark.parametrize(
    ("content", "arguments", "message"),
    [
        (
            "评论;情感\ngood;maybe\n",
            [],
            "odd.csv:2: column '情感': unknown label 'maybe'; the labels are neg, pos",
        ),
        ("评论;情感\n;pos\n", [], "odd.csv:2: column '评论': the text is empty"),
        ("body;情感\ngood;pos\n", [], "help: name it with --columns text=NAME"),
        ("评论;情感\ngood;pos\n", ["--columns", "answer=x"], "'answer=x' is not text=NAME or label=NAME"),
        ("评论;情感\ngood;pos\n", ["--format", "jsonl", "--delimiter", ";"], "--delimiter: does not apply"),
        ("评论;情感\ngood;pos\n", ["--format", "jsnol"], "--format: there is no 'jsnol'"),
        ("评论;情感\ngood;pos\n", ["--variant", "int2"], "has no variant 'int2'"),
        ("评论;情感\ngood;pos\n", ["--output", "nowhere/x.jsonl"], "cannot be written"),
    ],
)
def test_what_is_unusable_ends_with_2(
    run: Path, capsys: pytest.CaptureFixture[str], content: str, arguments: list[str], message: str
) -> None:
    Path("odd.csv").write_text(content, encoding="gb18030")
    assert main(["evaluate", "labels", "--input", "odd.csv", *arguments]) == 2
    assert message in capsys.readouterr().err


def test_bundles_are_compared_on_the_rows_of_a_file(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copytree(run / "bundle", "copied", dirs_exist_ok=True)
    arguments = ["compare", "labels", "copied", "--input", "gold.csv"]
    assert main(arguments) == 0
    assert "no clear difference between labels and" in capsys.readouterr().out
    assert main([*arguments, "--json", "--html", "compared.html"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["rows"] == 40
    assert "40 rows that all of them answered" in Path("compared.html").read_text()


def test_without_input_it_is_about_a_run(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["evaluate", "labels", "--json"]) == 2
    assert "a bundle is measured with --input FILE" in capsys.readouterr().err
    assert main(["evaluate", "labels", "--input", "nowhere.csv"]) == 2
    assert "nowhere.csv" in capsys.readouterr().err


def test_a_bundle_from_before_says_so(
    tiny_bundle: Path, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["evaluate", str(tiny_bundle), "--input", str(project / "gold.csv")]) == 2
    assert "help: export its run again" in capsys.readouterr().err


def test_needs_no_torch(run: Path) -> None:
    code = "import sys; from ftcore.cli import main; code = main(sys.argv[1:])\n"
    code += "sys.exit(code or len({'torch', 'transformers', 'datasets'} & set(sys.modules)))"
    command = [sys.executable, "-c", code, "evaluate", "labels", "--input", "gold.csv"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
