"""Sources of other make: parallel text files, workbooks of Excel, tables without a header."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook

from ftcore.data.header import header_names
from ftcore.data.sources import open_source
from ftcore.errors import UserError
from ftcore.spec.source import Source


def read(folder: Path, **source: Any) -> list[tuple[str, Any]]:
    opened = open_source(Source.model_validate(source), "train", folder)
    return [(record.location, record.values or record.problem) for record in opened.records()]


def refused(folder: Path, **source: Any) -> str:
    with pytest.raises(UserError) as error:
        read(folder, **source)
    return f"{error.value.where}: {error.value.what} | {error.value.hint}"


def book(path: Path, *rows: tuple[Any, ...]) -> None:
    made = Workbook()
    for row in rows:
        made.worksheets[0].append(row)
    made.save(path)


def test_lines_of_two_files_belong_together(tmp_path: Path) -> None:
    (tmp_path / "a.en").write_text("good\n\nbad\n")
    (tmp_path / "a.zh").write_text("好\n\n坏\n", "gb18030")
    found = read(tmp_path, path="a.en", target="a.zh", encoding="gb18030")
    assert found == [
        ("a.en:1", {"source": "good", "target": "好"}),
        ("a.en:3", {"source": "bad", "target": "坏"}),
    ]


def test_another_target_is_another_source(tmp_path: Path) -> None:
    for name, text in (("a.en", "good\n"), ("a.de", "gut\n"), ("a.fr", "bon\n")):
        (tmp_path / name).write_text(text)
    digests = {
        open_source(Source(path="a.en", target=target), "train", tmp_path).sha256
        for target in ("a.de", "a.fr")
    }
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("target", "source", "said"),
    [
        ("gut\n", {"target": "a.de"}, "a.en:2: a.de ends before this line of a.en"),
        ("gut\nschlecht\nnoch eine\n", {"target": "a.de"}, "a.de:3: a.en ends before this line of a.de"),
        (
            "gut\n",
            {"format": "parallel"},
            "data.train: parallel needs a second file | name the file of the targets",
        ),
        ("gut\n", {"target": "b.de"}, "data.train.target: no such file or folder: `b.de`"),
        ("gut\n", {"target": "a.de", "format": "csv"}, "data.train.target: `target` does not apply to csv"),
    ],
)
def test_files_that_do_not_fit(tmp_path: Path, target: str, source: dict[str, str], said: str) -> None:
    (tmp_path / "a.en").write_text("good\nbad\n")
    (tmp_path / "a.de").write_text(target)
    assert said in refused(tmp_path, path="a.en", **source)


def test_the_sheet_of_a_workbook(tmp_path: Path) -> None:
    book(
        tmp_path / "a.xlsx",
        ("text", "stars", None, "day"),
        ("good", 5, "?", date(2024, 2, 29)),
        (None, None, None, None),
        ("bad", 1.5, None, None),
        ("one", 1, None, None, "beyond"),
    )
    assert read(tmp_path, path="a.xlsx") == [
        ("a.xlsx:2", {"text": "good", "stars": 5, "day": "2024-02-29T00:00:00"}),
        ("a.xlsx:4", {"text": "bad", "stars": 1.5, "day": None}),
        ("a.xlsx:5", "a cell stands outside the columns that the first row names"),
    ]


def test_workbooks_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.xlsx").write_text("text,label\n")
    assert "a.xlsx: no workbook of Excel (.xlsx) | save the sheet as" in refused(tmp_path, path="a.xlsx")
    book(tmp_path / "a.xlsx", ("text", "text"), ("a", "b"))
    assert "a.xlsx:1: the header names 'text' more than once" in refused(tmp_path, path="a.xlsx")
    book(tmp_path / "a.xlsx")
    assert "its sheets are empty" in refused(tmp_path, path="a.xlsx")
    book(tmp_path / "a.xlsx", ("Reviews of 2024",), ("text", "label"), ("a", "b"))
    said = "each of the 2 rows has cells outside the columns that the first one names | delete what is above"
    assert said in refused(tmp_path, path="a.xlsx")
    monkeypatch.setattr("ftcore.data.spreadsheet._MOST_BYTES", 10)
    assert "it unpacks to " in refused(tmp_path, path="a.xlsx")
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    assert "spreadsheets need the package `openpyxl`" in refused(tmp_path, path="a.xlsx")
    assert "pip install 'ftcore[excel]'" in refused(tmp_path, path="a.xlsx")


def test_a_workbook_of_several_sheets_is_asked_for_one(tmp_path: Path) -> None:
    made = Workbook()
    made.active.title = "old"
    for title in ("new", "notes"):
        made.create_sheet(title)
    made["new"].append(["text"])
    made["new"].append(["good"])
    made["new"].append(["#N/A"])
    made.save(tmp_path / "a.xlsx")
    assert read(tmp_path, path="a.xlsx") == [("a.xlsx:2", {"text": "good"})], "the others are empty"
    made["old"].append(["text"])
    made["old"].append(["bad"])
    made.save(tmp_path / "a.xlsx")
    said = "a.xlsx: 2 sheets have values: 'old', 'new' | name one in `sheet` of this source, or save it as"
    assert said in refused(tmp_path, path="a.xlsx")
    assert read(tmp_path, path="a.xlsx", sheet="old") == [("a.xlsx:2", {"text": "bad"})]
    wrong = refused(tmp_path, path="a.xlsx", sheet="older")
    assert "a.xlsx: there is no sheet 'older'; those with values are 'old', 'new'" in wrong
    (tmp_path / "a.csv").write_text("text\ngood\n")
    assert "`sheet` does not apply to csv" in refused(tmp_path, path="a.csv", sheet="old")


def test_names_for_columns_of_a_file_without_a_header(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("good,pos\nbad,neg\nbad\n")
    assert read(tmp_path, path="a.csv", header=["text", "label"]) == [
        ("a.csv:1", {"text": "good", "label": "pos"}),
        ("a.csv:2", {"text": "bad", "label": "neg"}),
        ("a.csv:3", "the row has 1 field, the header 2"),
    ]
    assert "names 'text' more than once" in refused(tmp_path, path="a.csv", header=["text", "text"])


@pytest.mark.parametrize(
    ("rows", "names"),
    [
        (["text|label", "good food|pos", "bad food|neg"], None),
        (["|text|label", "0|good food|pos", "1|bad food|neg"], None),
        (["good food|pos", "bad food|neg", "nice food|pos"], ["text", "label"]),
        (["7|pos|good food and more", "8|neg|bad food", "9|pos|nice food"], ["column1", "label", "text"]),
        (
            [f"a sentence of six words {n}, here|ein Satz von sechs Wörtern {n}" for n in range(9)],
            ["source", "target"],
        ),
    ],
)
def test_which_lines_are_headers(rows: list[str], names: list[str] | None) -> None:
    assert header_names([row.split("|") for row in rows]) == names
