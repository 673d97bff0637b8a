"""`ftcore suggest`: rows of a pool that are worth a label, as lines of JSON or as tasks of Label Studio."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from graph_cache import working_in
from models import labelled_rows
from small import workspace_of

from ftcore.cli import main
from ftcore.runs.steps import take_steps
from ftcore.training.stopping import StopRequest
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder

POOL = ["good nice good nice", "bad slow bad slow", "good bad", "nice slow", "slow good"]


@pytest.fixture(scope="module")
def finished(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run that knows the words."""
    folder = tmp_path_factory.mktemp("project")
    with working_in(folder):
        workspace = workspace_of(folder, tiny_base, training={"epochs": 3})
        take_steps(workspace, ["train"], StopRequest())
    return workspace.folder.path


def suggested(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> tuple[int, str, str]:
    code = main(["suggest", *map(str, arguments)])
    out, err = capsys.readouterr()
    return code, out, err


def test_new_rows_are_listed_by_how_uncertain_they_are(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    known = labelled_rows(3)[0]["text"]
    (tmp_path / "pool.txt").write_text("\n".join([*POOL, POOL[2], known]) + "\n")
    code, out, err = suggested(capsys, finished, "--pool", tmp_path / "pool.txt", "-n", 3)
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert len({line["input"] for line in lines} & set(POOL)) == 3
    assert all(POOL[line["row"] - 1] == line["input"] for line in lines)
    assert all(set(line) == {"row", "input", "uncertainty", "answer"} for line in lines)
    assert [line["uncertainty"] for line in lines] == sorted((o["uncertainty"] for o in lines), reverse=True)
    assert "3 rows to label\n" in err
    assert "2 rows of the pool are known already or are there twice, and were passed over" in err
    assert "learning curve of a regression on the base model, accuracy: " in err
    assert "as many rows chosen at random would bring it about +0." in err


def test_a_pool_is_read_as_the_training_rows_were(
    tiny_base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Separated by semicolons, in GB18030, with the columns' own names, and no option says so."""
    lines = [f"{row['text']};{row['label']}\n" for row in labelled_rows(120)]
    (tmp_path / "train.csv").write_bytes(("评论;情感\n" + "".join(lines)).encode("gb18030"))
    (tmp_path / "pool.csv").write_bytes(
        ("评论;编号\n" + "".join(f"{one} 好;1\n" for one in POOL)).encode("gb18030")
    )
    train = {"path": str(tmp_path / "train.csv"), "delimiter": ";", "encoding": "gb18030"}
    data = {"train": train, "columns": {"text": "评论", "label": "情感"}}
    workspace = workspace_of(tmp_path, tiny_base, data=data, training={"epochs": 1})
    take_steps(workspace, ["train"], StopRequest())
    run = workspace.folder.path
    code, out, err = suggested(capsys, run, "--pool", tmp_path / "pool.csv", "-n", 2)
    assert code == 0, err
    assert all(json.loads(line)["input"].endswith(" 好") for line in out.splitlines())


def test_label_studio_gets_tasks_with_predictions(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pool.csv").write_text("sentence,other\n" + "".join(f"{text},1\n" for text in POOL))
    arguments = ["--pool", tmp_path / "pool.csv", "--columns", "text=sentence", "-n", 2]
    output = tmp_path / "tasks.json"
    code, out, _ = suggested(capsys, finished, *arguments, "--format", "label-studio", "--output", output)
    assert (code, out) == (0, "")
    tasks: list[dict[str, Any]] = json.loads(output.read_text())
    assert len(tasks) == 2
    assert set(tasks[0]["data"]) == {"text", "row"}
    result = tasks[0]["predictions"][0]["result"][0]
    assert (result["from_name"], result["to_name"], result["type"]) == ("label", "text", "choices")
    assert result["value"]["choices"][0] in {"pos", "neg"}
    assert tasks[0]["predictions"][0]["model_version"] == finished.name


@pytest.mark.parametrize(
    ("pool", "arguments", "what"),
    [
        ("good\n", ["-n", "0"], "--count: must be at least 1"),
        (
            "good\n",
            ["--output", "x.xlsx"],
            "x.xlsx: --format jsonl is written as JSON Lines\n  help: let its name",
        ),
        ("good\n", ["--output", "x.json"], "let its name end in .jsonl"),
        ("good\n", ["--output", "x.csv", "--format", "label-studio"], "let its name end in .json"),
        ("", [], "pool.txt: the file is empty"),
        (labelled_rows(1)[0]["text"] + "\n", [], "the run knows every row of the pool already"),
    ],
)
def test_what_cannot_be_suggested_is_said(
    finished: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    pool: str,
    arguments: list[str],
    what: str,
) -> None:
    (tmp_path / "pool.txt").write_text(pool)
    code, out, err = suggested(capsys, finished, "--pool", tmp_path / "pool.txt", *arguments)
    assert (code, out) == (2, "")
    assert what in err


def test_a_bad_row_and_a_missing_column_are_named(
    finished: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pool.jsonl").write_text('{"text": "good"}\n{"text": 3}\n')
    code, _, err = suggested(capsys, finished, "--pool", tmp_path / "pool.jsonl")
    assert code == 2
    assert "pool.jsonl:2" in err
    (tmp_path / "pool.csv").write_text("sentence\ngood\n")
    code, _, err = suggested(capsys, finished, "--pool", tmp_path / "pool.csv")
    assert code == 2
    assert "--columns text=NAME" in err


def test_answers_without_labels_are_refused(
    finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    number = SequenceClassificationDecoder("regression", (), (0.5,), None, pair=False)
    monkeypatch.setattr("ftcore.runs.suggest.make_decoder", lambda _: number)
    (tmp_path / "pool.txt").write_text("good\n")
    code, _, err = suggested(capsys, finished, "--pool", tmp_path / "pool.txt")
    assert code == 2
    assert "only a classification has labels to be unsure of" in err
