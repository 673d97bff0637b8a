"""The verdict on a model is what its interval allows."""

from __future__ import annotations

import pytest

from ftcore.evaluation.evaluate import Evaluation
from ftcore.evaluation.verdict import Gain, doubts, hardest, warnings_of
from ftcore.families.scoring import Scores


@pytest.mark.parametrize(
    ("gain", "sentence"),
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
        (Gain("TF-IDF", 0.0, None, None), "no better than TF-IDF: the same accuracy on these rows"),
        (
            Gain("TF-IDF", 0.5, None, None),
            "not clearly better than TF-IDF: +50.0 points of accuracy, but too few rows for an interval",
        ),
    ],
)
def test_the_sentence_of_a_gain(gain: Gain, sentence: str) -> None:
    assert gain.sentence("accuracy", 0.01) == sentence


def test_a_verdict_without_resamples_says_so() -> None:
    sentence = Gain("TF-IDF", 0.5, None, None).sentence("accuracy", 0.01, resampled=False)
    assert sentence == (
        "not clearly better than TF-IDF: +50.0 points of accuracy, but no interval, as `evaluation.bootstrap` is 0"
    )


def test_the_verdict_is_on_the_baseline_that_is_hardest_to_beat() -> None:
    easy, hard = Gain("majority", 0.4, 0.3, 0.5), Gain("TF-IDF", 0.1, 0.05, 0.15)
    assert hardest([easy, hard]) is hard


def test_few_rows_and_rare_classes_are_said() -> None:
    few, rare = warnings_of(40, {"a": 38, "b": 2})
    assert few.startswith("40 rows are few")
    assert rare == "fewer than 10 rows to measure `b` (2): their figures are uncertain"
    assert warnings_of(400, {"a": 200, "b": 200}) == []


def test_a_hundred_rows_and_ten_of_each_class_are_enough() -> None:
    assert warnings_of(100, {"a": 90, "b": 10}) == []
    (few,) = warnings_of(99, {})
    assert few.endswith("measure on 100 rows or more, or give `data.cross_validation: 5`")
    (rare,) = warnings_of(100, {"a": 91, "b": 9})
    assert rare.startswith("fewer than 10 rows to measure `b` (9)")


def test_what_a_family_finds_wrong_comes_before_what_is_uncertain() -> None:
    class Suspicious:
        def warnings(self, references: list[str], answers: list[str]) -> list[str]:
            return [f"{answers.count('a')} of {len(references)} answers are `a`"]

    found = Evaluation(["a", "a"], ["a", "b"], Scores({}, {}))
    of_the_family, few = doubts(Suspicious(), found)  # type: ignore[arg-type]
    assert of_the_family == "2 of 2 answers are `a`"
    assert few.startswith("2 rows are few")
    assert doubts(object(), found) == [few]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("low", "high", "outcome"),
    [
        (0.0, 0.2, "unclear"),
        (-0.2, 0.0, "unclear"),
        (0.001, 0.2, "better"),
        (-0.2, -0.001, "worse"),
        (None, 0.2, "unclear"),
        (-0.2, None, "unclear"),
    ],
)
def test_an_interval_that_touches_zero_or_lacks_a_bound_decides_nothing(
    low: float | None, high: float | None, outcome: str
) -> None:
    gain = Gain("TF-IDF", 0.1, low, high)
    assert gain.outcome == outcome
    assert gain.sentence("accuracy", 0.01).startswith("not clearly better") == (outcome == "unclear")


@pytest.mark.parametrize(("classes", "more"), [(5, ""), (6, " and 1 more"), (8, " and 3 more")])
def test_of_many_rare_classes_the_five_rarest_are_named(classes: int, more: str) -> None:
    (rare,) = warnings_of(100, {f"label {number}": number for number in range(1, classes + 1)})
    shown = ", ".join(f"`label {number}` ({number})" for number in range(1, 6))
    assert rare == f"fewer than 10 rows to measure {shown}{more}: their figures are uncertain"
