"""The verdict on a model is what its interval allows."""

from __future__ import annotations

import pytest

from ftcore.evaluation.verdict import Gain, hardest, warnings_of


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
            "not clearly better than TF-IDF: too few rows for an interval of accuracy",
        ),
    ],
)
def test_the_sentence_of_a_gain(gain: Gain, sentence: str) -> None:
    assert gain.sentence("accuracy", 0.01) == sentence


def test_the_verdict_is_on_the_baseline_that_is_hardest_to_beat() -> None:
    easy, hard = Gain("majority", 0.4, 0.3, 0.5), Gain("TF-IDF", 0.1, 0.05, 0.15)
    assert hardest([easy, hard]) is hard


def test_few_rows_and_rare_classes_are_said() -> None:
    few, rare = warnings_of(40, {"a": 38, "b": 2})
    assert few.startswith("40 rows are few")
    assert rare == "fewer than 10 rows to measure `b` (2): their figures are uncertain"
    assert warnings_of(400, {"a": 200, "b": 200}) == []
