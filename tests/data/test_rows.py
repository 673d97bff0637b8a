from __future__ import annotations

import pytest
from fake_family import FakeReader, rows_of, spec_of

from ftcore.data.rows import Counts, stage
from ftcore.data.sources import open_source
from ftcore.data.tables import open_split
from ftcore.errors import DataError

WEIGHED = "text,label,weight\n" + "".join(
    f"t{i},a,{weight}\n" for i, weight in enumerate(["0.9", "9e-1", "0.10", "", " ", "1", "nan", "2"])
)


def staged(folder, content, name="a.csv", **data):
    """Stage a file with this content: its counts and its texts."""
    if isinstance(content, str):
        (folder / name).write_text(content, "utf-8")
    spec = spec_of({"train": name if isinstance(content, str) else content, **data})
    source = open_source(spec.data.train, "train", folder)
    counts = stage(source, FakeReader(spec), None, folder / "staged.arrow")
    return counts, open_split(folder / "staged.arrow", "train")


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ({"min": 0.9}, ["t0", "t1", "t5", "t7"]),
        ({"min": 0.9, "max": 1}, ["t0", "t1", "t5"]),
        ({"max": 0.5}, ["t2"]),
        ({"one_of": ["1", "2"]}, ["t5", "t7"]),
        ({"one_of": ["0.9", "1"], "max": 0.95}, ["t0"]),
        ({"present": True}, ["t0", "t1", "t2", "t5", "t6", "t7"]),
    ],
)
def test_where(tmp_path, condition, kept):
    counts, split = staged(tmp_path, WEIGHED, where=[{"column": "weight", **condition}])
    assert split.table["text"].to_pylist() == kept
    assert counts == Counts(8, len(kept))


def test_where_on_typed_values_and_several_conditions(tmp_path):
    rows = [
        {"text": f"t{i}", "label": "a", "n": n, "ok": i % 2 == 0} for i, n in enumerate([1, 2.0, None, 4, 5])
    ]
    conditions = [{"column": "ok", "one_of": ["true"]}, {"column": "n", "one_of": ["1", "2", "5"]}]
    assert staged(tmp_path, rows, where=conditions)[1].table["text"].to_pylist() == ["t0", "t4"]
    rows[1]["n"] = float("nan")
    there = [{"column": "n", "present": True}]
    assert staged(tmp_path, rows, where=there)[1].table["text"].to_pylist() == ["t0", "t3", "t4"]


def test_where_on_a_cell_that_is_no_number(tmp_path):
    with pytest.raises(
        DataError, match=r"a\.csv:2: column 'weight': the condition compares numbers, and 'high' is none"
    ):
        staged(tmp_path, "text,label,weight\nx,a,high\n", where=[{"column": "weight", "min": 1}])
    with pytest.raises(DataError, match="compares numbers, and True is none"):
        staged(tmp_path, [{"text": "x", "label": "a", "n": True}], where=[{"column": "n", "min": 1}])
    with pytest.raises(DataError, match=r"compares text, and \['x'\] is none"):
        staged(tmp_path, [{"text": "x", "label": "a", "n": ["x"]}], where=[{"column": "n", "one_of": ["x"]}])


def test_where_on_a_column_that_is_not_there(tmp_path):
    with pytest.raises(DataError) as caught:
        staged(tmp_path, WEIGHED, where=[{"column": "wieght", "min": 1}])
    assert caught.value.what == "there is no column 'wieght'; the columns are 'text', 'label', 'weight'"
    assert caught.value.hint == "did you mean 'weight'? set data.where[0].column to the column's name"


def test_where_leaves_nothing(tmp_path):
    with pytest.raises(DataError, match=r"a\.csv: `data\.where` leaves none of its 8 rows"):
        staged(tmp_path, WEIGHED, where=[{"column": "weight", "min": 9}])


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
def test_a_mapped_column_that_is_not_there(tmp_path, name):
    content = {"a.csv": "texts,label\nx,a\n", "a.jsonl": '{"texts": "x", "label": "a"}\n'}[name]
    with pytest.raises(DataError) as caught:
        staged(tmp_path, content, name)
    assert caught.value.where == name
    assert caught.value.what == "there is no column 'text'; the columns are 'texts', 'label'"
    assert caught.value.hint == "did you mean 'texts'? set data.columns.text to the column's name"


def test_mapped_and_optional_columns(tmp_path):
    _, split = staged(tmp_path, "body,y,note\nx,a,n\n", columns={"text": "body", "label": "y"})
    assert split.table.to_pylist() == [{"text": "x", "label": "a", "note": "n"}]
    _, split = staged(tmp_path, "text,label\nx,a\n")
    assert split.table["note"].to_pylist() == [None]


def test_a_json_row_without_a_column(tmp_path):
    content = '{"text": "x", "label": "a"}\n{"text": "y"}\n'
    with pytest.raises(DataError, match=r"a\.jsonl:2: the row has no column 'label'\n  help: fix this row"):
        staged(tmp_path, content, "a.jsonl")


def test_several_bad_rows_at_once(tmp_path):
    content = "text,label\n" + "ok,a\n,a\n" * 12 + "a,b,c\n"
    with pytest.raises(DataError) as caught:
        staged(tmp_path, content)
    message = str(caught.value)
    assert message.startswith("a.csv: 13 bad rows\n  a.csv:3: column 'text': the text is empty\n  a.csv:5: ")
    assert "a.csv:21: " in message
    assert "a.csv:23: " not in message
    assert "... and 3 more\n  help: fix these rows" in message


def test_a_value_that_the_schema_cannot_hold(tmp_path):
    with pytest.raises(DataError) as caught:
        staged(tmp_path, [*rows_of(3), {"text": "x", "label": "a", "note": 7}])
    assert caught.value.where == "data.train.rows:4"
    with pytest.raises(DataError, match=r"data\.train\.rows:2: .*surrogates"):
        staged(tmp_path, [{"text": "x", "label": "a"}, {"text": "\ud83d", "label": "a"}])


def test_a_wrong_type_names_row_and_column(tmp_path):
    with pytest.raises(DataError, match=r"data\.train\.rows:1: column 'text': expected text, got 7"):
        staged(tmp_path, [{"text": 7, "label": "a"}])


def test_more_rows_than_a_chunk(tmp_path):
    counts, split = staged(tmp_path, rows_of(10_000))
    assert counts == Counts(10_000, 10_000)
    assert split.table["text"][9_999].as_py() == "text 9999"
    assert split.locations[9_999].as_py() == "data.train.rows:10000"
