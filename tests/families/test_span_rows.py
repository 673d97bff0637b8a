"""Rows of questions, contexts and answers in every shape that sources have."""

from __future__ import annotations

from typing import Any

import pytest

from ftcore.errors import REMARK, RowDropped, RowError
from ftcore.families.span_extraction.answers import parse_row
from ftcore.families.span_extraction.spec import SpanExtractionColumns

CONTEXT = "The 😀 cat sat. 那只猫 sat on the é mat."


def parse(answers: Any, misplaced: Any = "repair", start: Any = None, **more: Any) -> dict[str, Any]:
    names = SpanExtractionColumns() if start is None else SpanExtractionColumns(start="start")
    row = {"id": "q1", "question": "what?", "context": CONTEXT, "answers": answers, "start": start, **more}
    return parse_row(row, names, misplaced)


def spans(row: dict[str, Any]) -> list[tuple[str, int]]:
    return list(zip(row["answers"], row["starts"], strict=True))


CAT = CONTEXT.index("cat")


@pytest.mark.parametrize(
    ("answers", "start"),
    [
        ({"text": ["cat"], "answer_start": [CAT]}, None),  # as `datasets` has it
        ([{"text": "cat", "answer_start": CAT}], None),  # as SQuAD's own JSON has it
        ([{"text": "cat", "start": CAT}], None),
        ("cat", None),  # stands once
        (["cat"], None),
        ("cat", CAT),  # two columns
        ("cat", str(CAT)),  # of a CSV file
        ("cat", float(CAT)),  # of a table with gaps
        (["cat"], [CAT]),
    ],
)
def test_shapes_of_one_answer(answers: Any, start: Any) -> None:
    row = parse(answers, start=start)
    assert spans(row) == [("cat", CAT)]
    assert REMARK not in row


def test_starts_are_code_points() -> None:
    for text in ("😀", "那只猫", "é mat"):
        start = CONTEXT.index(text)
        assert spans(parse({"text": [text], "answer_start": [start]}, "error")) == [(text, start)]


@pytest.mark.parametrize("answers", [[], None, "", float("nan"), {"text": [], "answer_start": []}])
def test_no_answer(answers: Any) -> None:
    assert spans(parse(answers)) == []


def test_several_answers_keep_their_order() -> None:
    row = parse({"text": ["cat sat", "cat"], "answer_start": [CAT, CAT]})
    assert spans(row) == [("cat sat", CAT), ("cat", CAT)]


def test_a_misplaced_answer_is_moved_to_the_one_place_where_it_stands() -> None:
    row = parse({"text": ["cat"], "answer_start": [CAT + 1]})
    assert spans(row) == [("cat", CAT)]
    assert row[REMARK] == f"id 'q1': moved the answer 'cat' from {CAT + 1} to {CAT}"


@pytest.mark.parametrize(("text", "why"), [("sat", "stands in 2 places"), ("dog", "stands nowhere")])
def test_an_answer_that_cannot_be_placed_is_refused_or_dropped(text: str, why: str) -> None:
    answers = {"text": [text], "answer_start": [0]}
    for misplaced in ("repair", "error"):
        with pytest.raises(RowError, match=f"id 'q1': the answer '{text}' {why}") as caught:
            parse(answers, misplaced)
        assert caught.value.column == "answers"
    with pytest.raises(RowDropped, match=f"left out: id 'q1'.*{why}"):
        parse(answers, "drop")


def test_error_moves_none() -> None:
    with pytest.raises(RowError, match=f"stands at {CAT}; at 0 stands 'The'"):
        parse({"text": ["cat"], "answer_start": [0]}, "error")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"answers": {"text": ["cat"]}}, "no `answer_start`"),
        ({"answers": {"text": ["cat", "mat"], "answer_start": [1]}}, "2 answers and 1 starts"),
        ({"answers": {"text": ["cat"], "answer_start": ["x"]}}, "in characters from 0, got 'x'"),
        ({"answers": {"text": ["cat"], "answer_start": [-1]}}, "got -1"),
        ({"answers": {"text": ["cat"], "answer_start": [1.5]}}, "got 1.5"),
        ({"answers": {"text": ["cat"], "answer_start": [True]}}, "got True"),
        ({"answers": [3]}, "expected the text of an answer, got 3"),
        ({"answers": [" "]}, "the text of an answer is empty"),
        ({"question": ""}, "the text is empty"),
        ({"context": None}, "expected text, got None"),
    ],
)
def test_bad_rows_say_what_is_wrong(change: dict[str, Any], why: str) -> None:
    with pytest.raises(RowError, match=why):
        parse(**{"answers": "cat", **change})


def test_id_and_title_may_be_missing() -> None:
    row = parse_row(
        {"question": "q", "context": CONTEXT, "answers": "cat"}, SpanExtractionColumns(), "repair"
    )
    assert (row["id"], row["title"]) == ("", None)


@pytest.mark.parametrize("start", ["4", "4.0", " 4.", 4.0])
def test_a_start_written_by_a_spreadsheet(start: object) -> None:
    from ftcore.families.span_extraction.answers import _start

    assert _start(start, "start") == 4


@pytest.mark.parametrize("start", ["4.5", "-1", "x", "9" * 5000, "٤", float("nan"), True])
def test_a_start_that_is_no_whole_number(start: object) -> None:
    from ftcore.families.span_extraction.answers import _start

    with pytest.raises(RowError, match="where the answer begins"):
        _start(start, "start")
