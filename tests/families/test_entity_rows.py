"""Rows of entities: spans, tags of every scheme, and what is wrong with bad ones."""

from __future__ import annotations

from typing import Any

import pytest

from ftcore.errors import REMARK, RowError
from ftcore.families.token_classification.rows import parse_row
from ftcore.families.token_classification.spec import TokenClassificationData

TEXT = "Anna Berg lives in Bergen."


def parsed(text: Any, entities: Any, **data: Any) -> dict[str, Any]:
    spec = TokenClassificationData.model_validate({"train": "x.csv", **data})
    return parse_row({"text": text, "entities": entities}, spec)


def spans(text: Any, entities: Any, **data: Any) -> list[tuple[str, str]]:
    row = parsed(text, entities, **data)
    columns = (row["starts"], row["ends"], row["labels"])
    return [(row["text"][start:end], label) for start, end, label in zip(*columns, strict=True)]


@pytest.mark.parametrize(
    "entities",
    [
        [{"start": 0, "end": 9, "label": "person"}, {"start": 19, "end": 25, "label": "place"}],
        [
            {"start": 19, "end": 25, "label": "place", "text": "Bergen"},
            {"start": 0, "end": 9, "label": "person"},
        ],
        [[0, 9, "person"], [19, 25, "place"]],
        [{"start_offset": 0, "end_offset": 9, "labels": ["person"]}, [19, 25, " place"]],
        '[{"start": 0, "end": 9, "label": "person"}, [19, 25, "place"]]',
    ],
)
def test_spans_in_every_shape(entities: Any) -> None:
    assert spans(TEXT, entities) == [("Anna Berg", "person"), ("Bergen", "place")]


@pytest.mark.parametrize("nothing", [None, "", " ", [], "[]"])
def test_a_text_without_entities(nothing: Any) -> None:
    assert spans(TEXT, nothing) == []


WORDS = ["Anna", "Berg", "met", "Eva", "Ek", "in", "Bergen"]
FOUND = [("Anna Berg", "per"), ("Eva Ek", "per"), ("Bergen", "loc")]


@pytest.mark.parametrize(
    ("scheme", "tags"),
    [
        ("BIO", "B-per I-per O B-per I-per O B-loc"),
        ("IOB1", "I-per I-per O I-per I-per O I-loc"),
        ("BIOES", "B-per E-per O B-per E-per O S-loc"),
        ("BILOU", "B-per L-per O B-per L-per O U-loc"),
        ("BMES", "B-per E-per O B-per E-per O S-loc"),
    ],
)
def test_tags_of_every_scheme(scheme: str, tags: str) -> None:
    assert spans(WORDS, tags.split()) == FOUND


def test_neighbours_of_one_label_are_told_apart() -> None:
    for tags in ("I-x B-x I-x", "B-x B-x I-x", "S-x B-x E-x"):
        assert spans(["a", "b", "c"], tags.split()) == [("a", "x"), ("b c", "x")]
    assert spans(["a", "b"], ["E-x", "I-x"]) == [("a", "x"), ("b", "x")]
    assert spans(["a", "b"], ["B-x", "I-y"]) == [("a", "x"), ("b", "y")]
    assert spans(["a", "b", "c"], ["B", "I", "O"]) == [("a b", "entity")]


def test_words_are_joined_as_their_script_writes_them() -> None:
    words = ["我", "在", "iPhone", "15", "上", "，", "用", "카카오", "톡"]
    assert parsed(words, ["O"] * 9)["text"] == "我在 iPhone 15 上，用 카카오 톡"
    assert parsed(words[:4], ["O"] * 4, join_words="blank")["text"] == "我 在 iPhone 15"
    assert parsed(words[:3], ["O"] * 3, join_words="nothing")["text"] == "我在iPhone"
    assert spans(["我", "在", "北", "京"], ["O", "O", "B-loc", "I-loc"]) == [("北京", "loc")]


@pytest.mark.parametrize(
    ("text", "entities", "problem"),
    [
        (TEXT, [[0, 9, "a"], [5, 9, "b"]], "'Anna Berg' (a, 0 to 9) and 'Berg' (b, 5 to 9) overlap"),
        (TEXT, [[0, 9, "a"], [0, 9, "b"]], "overlap"),
        (
            TEXT,
            [[5, 8, "a"]],
            "'Ber' (a, 5 to 8) does not begin and end with a word; as words it is 'Berg' (a, 5 to 9)",
        ),
        (TEXT, [[4, 9, "a"]], "' Berg' (a, 4 to 9) does not begin and end with a word"),
        (TEXT, [[4, 5, "a"]], "4 to 5 is blank"),
        (TEXT, [[19, 27, "a"]], "19 to 27 is no span of a text of 26 characters"),
        (TEXT, [[9, 5, "a"]], "no span"),
        (TEXT, [[-1, 5, "a"]], "no span"),
        (TEXT, [[0.0, 4, "a"]], "`start` and `end` are whole numbers, got 0.0 and 4"),
        (TEXT, [[False, 4, "a"]], "whole numbers"),
        (TEXT, [[0, 4, "O"]], "0 to 4 has the label O, which is that of no entity: leave it out"),
        (TEXT, [[0, 4, ""]], "expected one label of 0 to 4, got ''"),
        (TEXT, [{"start": 0, "end": 4, "labels": ["a", "b"]}], "expected one label"),
        (TEXT, [{"start": 0, "end": 4, "label": "a", "text": "Berg"}], "'Anna' (a, 0 to 4) stands there"),
        (TEXT, ["B-x"], "expected {start, end, label}, got 'B-x'"),
        (TEXT, "B-x", "which is no JSON"),
        (TEXT, 3, "expected a list of entities or of tags"),
        (["a", "b"], ["O"], "1 tags for 2 words"),
        (["a", ""], ["O", "O"], "word 2 is ''; expected a text"),
        (["a", 3], ["O", "O"], "word 2 is 3; expected a text"),
        (["a"], ["PER"], "word 1 ('a') has the tag 'PER'; expected O, or B-, I-, E- or S- and a label"),
        (["a"], [3], "has the tag 3"),
        ([], [], "the text is empty"),
        (" ", [], "the text is empty"),
        (None, [], "expected a text or a list of words, got None"),
    ],
)
def test_what_is_wrong_is_said(text: Any, entities: Any, problem: str) -> None:
    with pytest.raises(RowError) as raised:
        parsed(text, entities)
    assert problem in raised.value.what


def test_widened_where_that_is_wanted() -> None:
    row = parsed(TEXT, [[4, 8, "a"], [19, 26, "b"]], misaligned="widen")
    assert (row["starts"], row["ends"]) == ([5, 19], [9, 26])
    assert row[REMARK] == "widened ' Ber' (a, 4 to 8) to 'Berg' (a, 5 to 9)"
    with pytest.raises(RowError, match="overlap"):
        parsed("Berlin", [[0, 3, "a"], [3, 6, "b"]], misaligned="widen")
