"""Exact match and F1 against what the official SQuAD scripts are known to say."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore.families.span_extraction.metrics import (
    SpanMeasures,
    character_tokens,
    english_tokens,
    exact_and_f1,
)
from ftcore_runtime.spans import SpanAnswer


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("The Eiffel Tower", ["eiffel", "tower"]),
        ("an  apple\n a day", ["apple", "day"]),
        ("theatre", ["theatre"]),  # an article only as a whole word
        ("U.S.A.", ["usa"]),  # punctuation goes without leaving a space
        ("twenty-one", ["twentyone"]),
        ("a-team", ["ateam"]),  # before articles go
        ("“quoted”", ["“quoted”"]),  # ASCII punctuation only
        ("the", []),
        ("...", []),
        ("", []),
    ],
)
def test_english_tokens_are_those_of_the_official_script(text: str, tokens: list[str]) -> None:
    assert english_tokens(text) == tokens


@pytest.mark.parametrize(
    ("answer", "references", "exact", "f1"),
    [
        ("the cat", ["cat"], 1, 1),
        ("Cat!", ["the cat", "dog"], 1, 1),
        ("black cat", ["cat"], 0, 2 / 3),
        ("cat cat", ["cat"], 0, 2 / 3),  # each token of a reference is met once
        ("cat cat dog", ["cat cat"], 0, 0.8),
        ("in the black cat", ["dog", "black cat sat"], 0, 2 / 3),  # the best reference counts
        ("bird", ["cat"], 0, 0),
        ("", [], 1, 1),  # no answer, rightly
        ("bird", [], 0, 0),
        ("", ["cat"], 0, 0),
        ("the", ["a"], 1, 1),  # both empty: alike, as in the script of 2.0
        ("cat", ["the", "cat"], 1, 1),
        ("", ["the"], 1, 1),  # references of nothing but articles are none
    ],
)
def test_exact_match_and_f1(answer: str, references: list[str], exact: float, f1: float) -> None:
    assert exact_and_f1(answer, references, "english") == (exact, pytest.approx(f1))


def test_characters_of_chinese_and_words_of_the_rest() -> None:
    assert character_tokens("光荣和ω-Force！") == ["光", "荣", "和", "ω", "force"]
    assert character_tokens("2009年 3月") == ["2009", "年", "3", "月"]
    assert character_tokens("𠀀カナ") == ["𠀀", "カ", "ナ"]
    exact, f1 = exact_and_f1("光荣和", ["光荣，"], "characters")
    assert (exact, f1) == (0, pytest.approx(0.8))
    assert exact_and_f1("《光荣》", ["光荣"], "characters") == (1, 1)
    assert exact_and_f1("光荣和", ["光荣"], "english") == (0, 0)


def answer(text: str, best: str, score: float, none: float) -> SpanAnswer:
    return SpanAnswer(text, score=score, no_answer=none, candidates=[{"text": best, "score": score}])


ANSWERS = [
    answer("cat", "cat", 0.9, 0.1),
    answer("", "dog", 0.2, 0.8),
    answer("", "bird", 0.3, 0.5),  # wrongly none
    answer("fox", "fox", 0.6, 0.3),  # wrongly some
    answer("red fox", "red fox", 0.7, 0.1),
]
REFERENCES = [["cat"], [], ["bird"], [], ["fox"]]


def official_best(measure: int) -> float:
    """Best value over all thresholds, one by one (find_best_thresh of the official script)."""
    differences = [np.log(a.no_answer) - np.log(a.score) for a in ANSWERS]
    values = []
    for threshold in [*differences, -np.inf, np.inf]:
        answer = [
            "" if d > threshold else a.candidates[0]["text"]
            for d, a in zip(differences, ANSWERS, strict=True)
        ]
        pairs = [exact_and_f1(s, r, "english")[measure] for s, r in zip(answer, REFERENCES, strict=True)]
        values.append(sum(pairs) / len(pairs))
    return max(values)


def test_questions_with_and_without_an_answer_and_the_best_threshold() -> None:
    measures = SpanMeasures(REFERENCES, ANSWERS, "english")
    found = measures.values(np.arange(5))
    assert found["exact_match"] == pytest.approx(2 / 5)
    assert found["f1"] == pytest.approx((1 + 1 + 2 / 3) / 5)
    assert found["exact_match_has_answer"] == pytest.approx(1 / 3)
    assert found["f1_has_answer"] == pytest.approx((1 + 2 / 3) / 3)
    assert found["f1_no_answer"] == found["exact_match_no_answer"] == 0.5
    assert found["best_exact_match"] == pytest.approx(official_best(0))
    assert found["best_f1"] == pytest.approx(official_best(1))
    assert measures.details()["questions"] == {"has_answer": 3, "no_answer": 2}


def test_answering_with_the_best_threshold_gives_the_best_f1() -> None:
    measures = SpanMeasures(REFERENCES, ANSWERS, "english")
    threshold = measures.best_threshold()
    answer = [
        a.candidates[0]["text"] if difference <= threshold else ""
        for a, difference in zip(ANSWERS, measures.difference, strict=True)
    ]
    f1 = np.mean([exact_and_f1(s, r, "english")[1] for s, r in zip(answer, REFERENCES, strict=True)])
    assert f1 == pytest.approx(measures.values(np.arange(5))["best_f1"])


def test_a_resample_is_measured_as_if_its_rows_were_the_whole() -> None:
    rows = np.array([0, 0, 3, 2, 1, 3, 4])
    drawn = SpanMeasures(REFERENCES, ANSWERS, "english").values(rows)
    whole = SpanMeasures([REFERENCES[i] for i in rows], [ANSWERS[i] for i in rows], "english")
    assert drawn == pytest.approx(whole.values(np.arange(len(rows))))


def test_where_every_question_has_an_answer_there_are_no_metrics_of_no_answer() -> None:
    measures = SpanMeasures([["a b"]], [SpanAnswer("b", 2, 3, 0.5)], "english")
    found = {"exact_match": 1.0, "f1": 1.0, "score_auroc": 0.5, "ece": 0.5}
    assert measures.values(np.array([0])) == found
    assert measures.details() == {}
