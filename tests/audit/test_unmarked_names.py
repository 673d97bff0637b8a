"""Names that annotators marked in most rows and forgot in some."""

from __future__ import annotations

from typing import Any

from audited_texts import audited

from ftcore.audit.findings import Finding
from ftcore.audit.unmarked_names import unmarked_names


def marked(text: str, *names: str) -> tuple[str, list[dict[str, Any]]]:
    """A text with these names in it marked."""
    starts = [text.index(name) for name in names]
    spans = zip(names, starts, strict=True)
    return text, [{"text": name, "label": "x", "start": at, "end": at + len(name)} for name, at in spans]


def found(rows: list[tuple[str, Any]]) -> list[Finding]:
    return [*unmarked_names(audited(rows))]


ROWS = [
    marked("Anna Berg met Leo in Rome", "Anna Berg", "Leo", "Rome"),
    marked("Leo wrote to Anna Berg", "Anna Berg", "Leo"),
    marked("nobody but anna berg came", "anna berg"),
    marked("Leo and Leo's sister", "Leo"),
    marked("Leo?", "Leo"),
    marked("Anna is Anna", "Anna"),
]


def test_nothing_where_all_are_marked() -> None:
    rows = [row for row in ROWS if "Leo's" not in row[0]]
    assert found(rows) == []
    assert found([("a text", "an answer"), ("another", "answer")]) == []
    assert found([("a text", ["a", "b"]), ("another", ["a"])]) == [], "labels"
    assert found([("a text", []), ("another", [])]) == []


def test_a_name_that_was_forgotten() -> None:
    (one,) = found([*ROWS, marked("with ANNA BERG, in Rome"), marked("Bergen, Anna, Leonie")])
    assert one.severity == "note"
    assert one.what == (
        "2 names mostly marked, and left unmarked in places: 'leo' in 1 of 5, 'anna berg' in 1 of 4"
    )
    assert [(example.note, example.rows[0].location) for example in one.examples] == [
        ("leo", "rows:4"),
        ("anna berg", "rows:7"),
    ], "the longer name is one, and neither part of a word nor a rare name is any"


def test_a_word_that_is_mostly_no_name_is_none() -> None:
    rows = [marked(f"in May {year}", "May") for year in range(3)] + [marked(f"may I {n}") for n in range(4)]
    assert found(rows) == []
