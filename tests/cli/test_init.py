"""`ftcore init`: files of different make become task files that validate, and two of them bundles, with no edit."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_files import MADE, ROWS, lines, many, table, write

from ftcore.cli import main


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, empty."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("name", MADE)
def test_a_file_never_seen_becomes_a_spec_that_validates(
    name: str, place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, name)
    _, task, expected = MADE[name]
    output = f"{Path(name).stem}.yaml"
    base = [] if task in ("translation", "summarization") else ["--base", str(tiny_base)]
    assert main(["init", name, *base]) == 0, capsys.readouterr().err
    out, err = capsys.readouterr()
    assert err == ""
    assert f"\ntask: {task} (" in out
    assert f"next: ftcore run {output}" in out
    spec = (place / output).read_text("utf-8")
    assert [line for line in expected if line not in spec] == [], spec
    assert main(["validate", output]) == 0
    assert capsys.readouterr().out == f"{output}: valid, task {task}\n"


@pytest.mark.parametrize("name", ["excel.csv", pytest.param("joined.csv", marks=pytest.mark.slow)])
def test_what_was_written_runs_to_a_bundle_that_answers(
    name: str, place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, name)
    stem = Path(name).stem
    assert main(["init", name, "--base", str(tiny_base)]) == 0
    short = ["training={epochs: 1, recipe: plain}", "export.variants=[fp32]", "evaluation.bootstrap=0"]
    assert main(["run", f"{stem}.yaml", *(part for one in short for part in ("--set", one))]) == 0
    assert main(["predict", stem, "--text", "good food"]) == 0
    assert "good food" in capsys.readouterr().out


def test_what_is_said_overrules_what_is_guessed(place: Path, tiny_base: Path) -> None:
    rows = [(text, topic, "ab"[n % 2], f"a {text}") for n, (text, topic) in enumerate(many())]
    (place / "rows.csv").write_text(table(",", ("text", "label", "kind", "long"), rows))
    arguments = ["init", "rows.csv", "--base", str(tiny_base), "--text", "long", "--label", "kind"]
    assert main([*arguments, "--output", "mine.yaml"]) == 0
    assert "columns: {text: long, label: kind}" in (place / "mine.yaml").read_text()
    assert main(["init", "rows.csv", "--task", "summarization", "--text", "long", "--label", "text"]) == 0
    assert "task: summarization" in (place / "rows.yaml").read_text()


def test_files_of_one_set_are_its_splits(
    place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / "set").mkdir()
    for name in ("train", "dev", "test"):
        (place / "set" / f"{name}.csv").write_text(table(",", ("text", "label"), many()))
    assert main(["init", "set", "--base", str(tiny_base)]) == 0
    assert "40 train, 40 validation, 40 test" in capsys.readouterr().out
    spec = (place / "set.yaml").read_text()
    assert "  train: set/train.csv\n  validation: set/dev.csv\n  test: set/test.csv\n" in spec
    assert "split:" not in spec


def test_texts_that_the_base_cannot_read_are_said(
    place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(place, "chinese.csv")
    assert main(["init", "chinese.csv", "--base", str(tiny_base)]) == 0
    assert (
        "does not know 100% of the texts' tokens: name a base model of their language"
        in capsys.readouterr().out
    )


def test_numbers_that_are_labels_of_pairs_stay_labels(place: Path, tiny_base: Path) -> None:
    write(place, "array.json")
    assert main(["init", "array.json", "--label", "label", "--base", str(tiny_base)]) == 0
    assert "task: pair" in (place / "array.yaml").read_text()
    assert main(["init", "array.json", "--task", "similarity", "--force", "--base", str(tiny_base)]) == 0
    assert (
        "columns: {text: premise, text_pair: hypothesis, label: label}" in (place / "array.yaml").read_text()
    )


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("empty.csv", "", "empty.csv: it is empty"),
        ("book.xlsx", "PK", "no workbook of Excel (.xlsx)"),
        ("book.xls", "x", "save the sheet as .xlsx, or as CSV in UTF-8"),
        ("rows.jsonl.gz", "x", "unpack it first"),
        (
            "scores.csv",
            table(",", ("text", "score"), [(row["text"], f"{n / 7:.3f}") for n, row in enumerate(ROWS)]),
            "which would be a regression",
        ),
        ("nul.csv", "text,label\n" + "a\0b,c\n" * 9, "nul.csv:2: a NUL byte"),
        ("three.json", "3", "three.json: not of SQuAD's shape"),
        (
            "one.csv",
            lines(["text", *(row["text"] for row in ROWS)]),
            "no column looks like a label; the columns are 'text'",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_guessed_says_what_to_do(
    name: str, content: str, said: str, place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (place / name).write_text(content)
    assert main(["init", name]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert "help: " in err or "empty" in err
    assert not [*place.glob("*.yaml")]


def test_a_file_that_is_there_stays(place: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(place, "plain.csv")
    (place / "plain.yaml").write_text("mine")
    assert main(["init", "plain.csv", "--base", str(tiny_base)]) == 2
    assert (
        "plain.yaml: is there already\n  help: give another --output, or --force" in capsys.readouterr().err
    )
    assert (place / "plain.yaml").read_text() == "mine"
    assert main(["init", "plain.csv", "--base", str(tiny_base), "--force"]) == 0
    assert main(["init", "plain.csv", "--text", "texd"]) == 2
    assert main(["init", "plain.csv", "--force", "--text", "texd"]) == 2
    assert "did you mean 'text'? name a column with --text" in capsys.readouterr().err
    assert main(["init", "plain.csv", "--force", "--task", "sentimen"]) == 2
    assert "did you mean `sentiment`?" in capsys.readouterr().err


def test_bad_rows_are_named_after_the_spec_is_written(place: Path, tiny_base: Path, capsys: Any) -> None:
    (place / "rows.csv").write_text(table(",", ("text", "label"), [*many(), ("one", "two", "three")]))  # type: ignore[list-item]
    assert main(["init", "rows.csv", "--base", str(tiny_base)]) == 2
    out, err = capsys.readouterr()
    assert "wrote rows.yaml" in out
    assert "rows.csv:42: the row has 3 fields, the header 2" in err


def test_nothing_of_a_file_reaches_the_spec_but_as_text(place: Path, tiny_base: Path) -> None:
    rows = [(text, f"x: {topic} # \x1b[31m") for text, topic in many()]
    (place / "rows.csv").write_text(table(",", ("text", "label: {a}"), rows))
    assert main(["init", "rows.csv", "--base", str(tiny_base), "--label", "label: {a}"]) == 0
    spec = (place / "rows.yaml").read_text()
    assert 'columns: {label: "label: {a}"}' in spec
    assert "\x1b" not in spec


def test_init_loads_no_torch(place: Path, tiny_base: Path) -> None:
    write(place, "plain.csv")
    arguments = ["init", "plain.csv", "--base", str(tiny_base)]
    code = f"from ftcore.cli import main; import sys; main({arguments!r}); print(*sys.modules)"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {*result.stdout.splitlines()[-1].split()}
    assert "pyarrow" in loaded
    assert not loaded & {"torch", "transformers", "datasets"}
