"""SQuAD's JSON as a source, and answers that are fixed or left out on the way."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ftcore.data import load_splits
from ftcore.data.sources import open_source
from ftcore.errors import DataError
from ftcore.families.span_extraction.reader import SpanReader
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore.spec.sections import Source

CONTEXT = "Anna lives in Bergen. Carl lives in Oslo."


def document(*answers: Any, title: str = "t") -> dict[str, Any]:
    qas = [
        {"id": f"{title}{i}", "question": "where?", "answers": [{"text": text, "answer_start": start}]}
        for i, (text, start) in enumerate(answers)
    ]
    return {"title": title, "paragraphs": [{"context": CONTEXT, "qas": qas}]}


def write(folder: Path, articles: list[Any]) -> Path:
    path = folder / "qa.json"
    path.write_text(json.dumps({"version": "1.1", "data": articles}), encoding="utf-8")
    return path


def load(folder: Path, articles: list[Any], **data: Any):
    write(folder, articles)
    spec = SpanExtractionSpec.model_validate(
        {
            "task": "qa",
            "data": {"train": "qa.json", "split": {"validation": 1, "test": 1}, **data},
            "model": {"base": "x"},
        }
    )
    return load_splits(SpanReader(spec), base_dir=folder, cache_dir=folder / "cache")


def test_a_question_a_record_with_its_number(tmp_path: Path) -> None:
    articles = [document(("Bergen", 14), ("Oslo", 36)), document(("Oslo", 36), title="u")]
    articles[1]["paragraphs"][0]["qas"].append(
        {"id": "n", "question": "why?", "answers": [], "is_impossible": True}
    )
    write(tmp_path, articles)
    opened = open_source(Source(path="qa.json"), "train", tmp_path)
    assert opened.kind == "squad"
    found = list(opened.records())
    assert [record.location for record in found] == [f"qa.json:{i}" for i in range(1, 5)]
    assert found[0].values == {
        "id": "t0",
        "title": "t",
        "question": "where?",
        "context": CONTEXT,
        "answers": [{"text": "Bergen", "answer_start": 14}],
    }
    assert found[3].values["answers"] == []


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ('{"data": 3}', "no list 'data'"),
        ('{"data": [{"title": "t"}]}', "no list 'paragraphs'"),
        ('{"data": [{"paragraphs": [{"context": "c"}]}]}', "no list 'qas'"),
        ('{"data": [', "not valid JSON"),
        ("[" * 100_000, "nested too deeply"),
        (b"\xff\xfe\x00", "not utf-8"),
    ],
)
def test_what_is_not_of_the_shape_says_where(tmp_path: Path, content: Any, why: str) -> None:
    path = tmp_path / "qa.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(DataError, match=why) as caught:
        list(open_source(Source(path="qa.json"), "train", tmp_path).records())
    assert caught.value.where.startswith("qa.json")


def test_whether_a_question_is_impossible_is_true_or_false(tmp_path: Path) -> None:
    questions = [{"question": "where?", "is_impossible": value} for value in (True, False, None, "true", 1)]
    paragraph = {"context": CONTEXT, "qas": [{**one, "answers": []} for one in questions]}
    (tmp_path / "qa.json").write_text(json.dumps({"data": [{"paragraphs": [paragraph]}]}))
    found = list(open_source(Source(path="qa.json"), "train", tmp_path).records())
    assert [one.problem for one in found[:3]] == ["", "", ""]
    assert found[3].problem == "`is_impossible` is true or false, not 'true'"
    assert (found[4].problem, found[4].values) == ("`is_impossible` is true or false, not 1", None)


def test_fixed_and_dropped_rows_are_counted_and_named(tmp_path: Path) -> None:
    articles = [document(("Bergen", 14), title=str(i)) for i in range(6)]
    articles.append(document(("Oslo", 3), title="moved"))
    articles.append(document(("lives", 0), title="unclear"))
    splits = load(tmp_path, articles, misplaced_answers="drop")
    report = splits.report
    assert report.fixed == {"train": 1}
    assert report.dropped == {"train": 1}
    assert report.filtered == {"train": 0}
    assert sum(report.rows.values()) == 7
    (moved_at, moved), (left_at, left) = report.remarks
    assert moved_at == "qa.json:7"
    assert "id 'moved0': moved the answer 'Oslo' from 3 to 36" in moved
    assert left_at == "qa.json:8"
    assert "id 'unclear0'" in left
    again = load(tmp_path, articles, misplaced_answers="drop")
    assert again.report.rows == report.rows  # from the cache


def test_an_answer_that_cannot_be_placed_ends_the_reading_unless_it_may_be_dropped(tmp_path: Path) -> None:
    articles = [document(("Bergen", 14), title=str(i)) for i in range(4)]
    with pytest.raises(DataError, match="id 'x0': the answer 'Paris' stands nowhere"):
        load(tmp_path, [*articles, document(("Paris", 0), title="x")])
    with pytest.raises(DataError, match="left out"):
        load(tmp_path, [document(("Paris", 0), title=str(i)) for i in range(4)], misplaced_answers="drop")


def test_a_title_stays_in_one_split(tmp_path: Path) -> None:
    articles = [document(("Bergen", 14), ("Oslo", 36), title=str(i)) for i in range(10)]
    splits = load(tmp_path, articles, split={"validation": 4, "test": 4})
    titles = [set(split.table["title"].to_pylist()) for split in splits]
    assert sum(map(len, titles)) == len(set().union(*titles)) == 10
