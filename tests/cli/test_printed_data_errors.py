"""What the terminal shows of bad data: a line for each row, no replacement characters, and help that helps."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from models import tiny_spec

from ftcore.cli import main

Train = Callable[..., tuple[int, list[str]]]


@pytest.fixture
def train(tmp_path: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> Train:
    """Trains on the text of a file; gives the exit code and the lines of the error."""
    monkeypatch.chdir(tmp_path)

    def run(content: str, name: str = "train.csv", **data: Any) -> tuple[int, list[str]]:
        (tmp_path / name).write_text(content, "utf-8")
        spec = tiny_spec(tiny_base)
        spec["data"] = {"train": name, **data}
        (tmp_path / "spec.yaml").write_text(json.dumps(spec))
        code = main(["train", "spec.yaml"])
        return code, capsys.readouterr().err.splitlines()

    return run


def rows(bad: dict[int, str]) -> str:
    lines = [f"text {number},{'ab'[number % 2]}" for number in range(60)]
    for number, line in bad.items():
        lines[number] = line
    return "\n".join(["text,label", *lines]) + "\n"


def test_every_bad_row_is_a_line(train: Train) -> None:
    code, lines = train(rows({0: "x,", 10: "y,", 20: '"",a'}))
    assert code == 2
    assert lines == [
        "error: train.csv: 3 bad rows",
        "  train.csv:2: column 'label': the label is empty",
        "  train.csv:12: column 'label': the label is empty",
        "  train.csv:22: column 'text': the text is empty",
        "  help: fix these rows in the source, or leave them out with `data.where`",
    ]


def test_help_names_no_filter_where_none_can_work(train: Train) -> None:
    code, lines = train(rows({0: "x,a,b"}))
    assert (code, lines) == (
        2,
        ["error: train.csv:2: the row has 3 fields, the header 2", "  help: fix this row in the source"],
    )
    code, lines = train(rows({}), where=[{"column": "label", "min": 1}])
    assert code == 2
    assert lines[-1] == "  help: fix these rows in the source"


def test_no_character_of_a_file_reaches_the_terminal(train: Train) -> None:
    code, lines = train('{"text": "a", "label": {"\\u001b[31m\\n": 1}}\n' * 2, "train.jsonl")
    assert code == 2
    text = "\n".join(lines)
    assert len(lines) == 4
    assert "\N{REPLACEMENT CHARACTER}" not in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("text;label\na;b\n", "the header looks separated by ';': set data.train.delimiter to ';'"),
        ("txt,label\na,b\n", "did you mean 'txt'? set data.columns.text to the column's name"),
        ("text,label\na,b\ntext,label\n", "train.csv:3: the row repeats the header"),
        ('text,label\n"a,b\nc,d\n', "train.csv:2: not valid CSV: unexpected end of data"),
    ],
)
def test_what_is_wrong_with_a_file(train: Train, content: str, expected: str) -> None:
    code, lines = train(content)
    assert code == 2
    assert any(expected in line for line in lines), lines
