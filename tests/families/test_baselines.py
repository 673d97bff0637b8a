"""The baselines learn what they say, in any script."""

from __future__ import annotations

import pytest

from ftcore.families import baselines
from ftcore.families.baselines import majority, tfidf, tfidf_labels, without_blanks


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


def test_of_many_labels_the_nearest_mean_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baselines, "_MOST_WEIGHTS", 100)
    texts = [
        f"{word} {other} number {i % 3}"
        for i in range(9)
        for word, other in zip("abcdefg", "hijklmn", strict=True)
    ]
    labels = [word for _ in range(9) for word in "abcdefg"]
    assert tfidf([text.replace("number", "no") for text in texts], labels, ["some g n", "a or h"]) == [
        "g",
        "a",
    ]
    several = tfidf_labels(texts, [[label] for label in labels], list("abcdefg"), ["a h", "g n"])
    assert sum(map(len, several)) <= 1  # only one label is frequent enough to be asked about


def test_texts_without_words_give_the_majority() -> None:
    assert tfidf(["!!", "??", "..."], ["a", "b", "b"], ["!"]) == ["b"]


def test_several_labels_are_answered_each_by_itself() -> None:
    texts = [f"{word} {i}" for i in range(20) for word in ("red car", "blue car", "blue house")]
    labels = [["red", "car"], ["blue", "car"], ["blue"]] * 20
    answers = tfidf_labels(texts, labels, ["red", "blue", "car", "never"], ["a red car", "some blue house"])
    assert answers == [["red", "car"], ["blue"]]
