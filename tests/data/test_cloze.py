"""Questions made out of articles."""

from __future__ import annotations

from pathlib import Path

import pytest

from ftcore.data.cloze import BLANK, clozes, split_article
from ftcore.data.sources import open_source
from ftcore.errors import DataError
from ftcore.spec.sections import Source

ARTICLE = """Rates rise in Norway as Berg leaves

Norges Bank raised its rate to 4.5% on Friday, said Mr. Olav Berg. It was the third time.

The bank said 4.5% was enough for Norway. Analysts had expected Olav Berg to stay until Friday.

Mr Berg, 61, said the rate in Norway would fall.
"""


def test_headline_first_sentence_and_the_rest() -> None:
    headline, lead, context = split_article(ARTICLE)
    assert headline == "Rates rise in Norway as Berg leaves"
    assert lead == "Norges Bank raised its rate to 4.5% on Friday, said Mr. Olav Berg."
    assert context.startswith("It was the third time.\nThe bank said")
    assert context.endswith("would fall.")


def test_names_and_numbers_that_stand_in_the_rest_are_asked_for() -> None:
    _, _, context = parts = split_article(ARTICLE)
    found = {cloze.answer: cloze for cloze in clozes(*parts)}
    assert set(found) == {
        "Norway",
        "Berg",
        "4.5%",
        "Friday",
        "Olav Berg",
    }  # neither "Rates" nor "Norges Bank"
    assert found["Norway"].question == f"Rates rise in {BLANK} as Berg leaves"
    assert found["4.5%"].question.startswith(f"Norges Bank raised its rate to {BLANK} on Friday")
    assert len(found["Norway"].starts) == 2
    for cloze in found.values():
        assert cloze.answer not in cloze.question
        for start in cloze.starts:
            assert context[start : start + len(cloze.answer)] == cloze.answer


@pytest.mark.parametrize(
    ("lead", "context"),
    [
        ("Apple sells.", "An apple a day. They like Apple here."),  # a word that also goes without capitals
        ("The end.", "It came. The end was near."),  # capitals at the beginning of a sentence only
        ("It cost 5m.", "It cost 15m, or 5million, or 2.5m, or 5m2."),  # parts of other numbers
        ("It cost 5.", "In 5.2 or 3.5 or £5 or 5%."),
        ("Nothing is asked.", "Nothing at all."),
    ],
)
def test_what_would_be_no_question(lead: str, context: str) -> None:
    assert list(clozes("", lead, context)) == []


def test_a_source_of_articles_is_read_alike_every_time(tmp_path: Path) -> None:
    for name in ("b/2.txt", "a/1.txt", "a/deep/3.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(ARTICLE, encoding="utf-8")
    (tmp_path / "b" / "4.txt").write_text("A headline alone", encoding="utf-8")
    opened = open_source(Source(path=".", format="cloze"), "train", tmp_path)
    records = list(opened.records())
    assert records == list(opened.records())
    assert opened.kind == "cloze"
    assert [record.values["id"] for record in records[:5]] == [
        "a/1.txt#1",
        "a/1.txt#2",
        "a/1.txt#3",
        "a/1.txt#4",
        "a/1.txt#5",
    ]
    assert len(records) == 15
    first = records[0].values
    assert first["title"] == "Rates rise in Norway as Berg leaves"
    assert first["answers"]["text"] == ["Norway", "Norway"]


def test_files_in_another_encoding_are_read_in_the_fallback(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text(ARTICLE.replace("4.5%", "£45"), encoding="utf-8")
    (tmp_path / "b.txt").write_text(ARTICLE.replace("4.5%", "£45"), encoding="cp1252")
    with pytest.raises(DataError, match="is not utf-8"):
        list(open_source(Source(path=".", format="cloze"), "train", tmp_path).records())
    source = Source(path=".", format="cloze", fallback_encoding="cp1252")
    answers = [r.values["answers"]["text"][0] for r in open_source(source, "train", tmp_path).records()]
    assert answers.count("£45") == 2
    with pytest.raises(DataError, match="unknown encoding"):
        open_source(Source(path=".", format="cloze", fallback_encoding="x"), "train", tmp_path)
    with pytest.raises(DataError, match="does not apply"):
        open_source(Source(path="a.txt", format="csv", fallback_encoding="cp1252"), "train", tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no file of the format cloze in it"):
        open_source(Source(path="empty", format="cloze"), "train", tmp_path)
