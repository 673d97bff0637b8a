"""The baselines learn what they say, in any script, and the verdict on a model is what its interval allows."""

from __future__ import annotations

import pytest

from ftcore.evaluation.baselines import majority, tfidf, without_blanks
from ftcore.evaluation.verdict import Gain, verdict, warnings_of


def test_the_majority_is_the_most_frequent_label() -> None:
    assert majority(["b", "a", "b", "c"], 2) == ["b", "b"]
    assert majority(["b", "a"], 1) == ["a"]


def test_tfidf_learns_the_words_that_decide() -> None:
    texts = [f"{word} number {i}" for i in range(20) for word in ("good", "bad")]
    labels = ["pos", "neg"] * 20
    assert tfidf(texts, labels, ["a good one", "bad, really"]) == ["pos", "neg"]


def test_tfidf_learns_from_texts_without_blanks() -> None:
    texts = [f"{word}的商品{i}" for i in range(20) for word in ("很好", "太差")]
    labels = ["pos", "neg"] * 20
    assert without_blanks(texts)
    assert not without_blanks(["a plain text", "été à Paris"])
    assert tfidf(texts, labels, ["这个很好", "质量太差了"]) == ["pos", "neg"]


def test_texts_without_words_give_the_majority() -> None:
    assert tfidf(["!!", "??", "..."], ["a", "b", "b"], ["!"]) == ["b"]


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        (
            Gain("TF-IDF", 0.061, 0.04, 0.083),
            "better than TF-IDF by 6.1 points of accuracy [4.0, 8.3]",
        ),
        (
            Gain("always answering `neutral`", 0.01, -0.02, 0.04),
            "not clearly better than always answering `neutral`: +1.0 points of accuracy [-2.0, 4.0]",
        ),
        (Gain("TF-IDF", -0.05, -0.08, -0.02), "worse than TF-IDF by 5.0 points of accuracy [2.0, 8.0]"),
        (
            Gain("TF-IDF", 0.5, None, None),
            "not clearly better than TF-IDF: too few rows for an interval of accuracy",
        ),
    ],
)
def test_the_sentence_of_a_gain(gain: Gain, said: str) -> None:
    assert gain.sentence("accuracy", 0.01) == said


def test_the_verdict_is_on_the_baseline_that_is_hardest_to_beat() -> None:
    easy, hard = Gain("majority", 0.4, 0.3, 0.5), Gain("TF-IDF", 0.1, 0.05, 0.15)
    assert verdict([easy, hard], "accuracy", 0.01).startswith("better than TF-IDF")


def test_few_rows_and_rare_classes_are_said() -> None:
    few, rare = warnings_of(40, {"a": 38, "b": 2})
    assert few.startswith("40 rows are few")
    assert rare == "fewer than 10 rows to measure `b` (2): their figures are uncertain"
    assert warnings_of(400, {"a": 200, "b": 200}) == []
