"""Paired comparisons: what they find in simulated pairs, and what they leave open."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore.evaluation.comparison import holm, paired, sentence


def test_two_runs_of_one_model_differ_clearly_in_few_of_a_hundred_pairs() -> None:
    rng = np.random.default_rng(0)
    clear = 0
    for _ in range(100):
        hard = rng.random(2000)
        first, second = rng.random(2000) > hard * 0.3, rng.random(2000) > hard * 0.3
        clear += paired(first, second).p_value < 0.05
    assert clear <= 10


def test_three_points_on_two_thousand_rows_are_found_in_most_pairs() -> None:
    rng = np.random.default_rng(1)
    found = 0
    for _ in range(100):
        first = rng.random(2000) < 0.85
        flipped = rng.random(2000)
        second = np.where(first, flipped > 0.035, flipped < 0.4)  # 0.85 -> 0.88
        found += paired(first, second).p_value < 0.05 and second.mean() > first.mean()
    assert found >= 80


def test_fixed_and_broken_rows_are_named() -> None:
    first = np.asarray([True, True, False, False])
    second = np.asarray([True, False, True, True])
    found = paired(first, second)
    assert found.fixed.tolist() == [2, 3]
    assert found.broken.tolist() == [1]
    assert found.difference == 0.25


def test_equal_answers_are_no_difference() -> None:
    same = np.asarray([True, False])
    assert paired(same, same).p_value == 1.0


def test_holm_corrects_for_many_pairs() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.5, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


def test_the_sentence_says_who_is_better_or_that_nobody_knows() -> None:
    first, second = np.zeros(100, dtype=bool), np.arange(100) < 20
    found = paired(first, second)
    assert sentence("a", "b", found, found.p_value).startswith(
        "b is better than a by 20.0 points [12.0, 28.0]: of 100 rows 20"
    )
    assert sentence("a", "b", found, 0.2).startswith("no clear difference between a and b")
    back = paired(second, first)
    assert sentence("a", "b", back, back.p_value).startswith("b is worse than a by 20.0 points")
