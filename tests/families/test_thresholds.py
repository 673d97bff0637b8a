"""Thresholds of several labels: which ones the validation rows give."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score

from ftcore.families.sequence_classification.thresholds import best_threshold, best_thresholds, micro_f1


def test_the_threshold_with_the_best_f1_lies_halfway_between_two_scores() -> None:
    scores, right = np.array([0.9, 0.8, 0.4, 0.2]), np.array([True, True, False, False])
    assert best_threshold(scores, right) == pytest.approx(0.6)
    assert best_threshold(scores, np.array([True, False, True, False])) == pytest.approx(0.3)


def test_equal_scores_are_never_parted() -> None:
    scores, right = np.array([0.5, 0.5, 0.5, 0.1]), np.array([True, False, False, False])
    assert best_threshold(scores, right) == pytest.approx(0.3)


def test_nothing_right_leaves_one_half() -> None:
    assert best_threshold(np.array([0.9, 0.1]), np.array([False, False])) == 0.5


def test_no_threshold_is_better_than_the_best() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        scores = rng.random(60).round(2)
        right = rng.random(60) < scores * 0.6
        if not right.any():
            continue
        found = f1_score(right, scores >= best_threshold(scores, right))
        assert found == pytest.approx(max(f1_score(right, scores >= cut) for cut in [*scores, 1e-6]))


def test_a_label_with_rows_enough_gets_its_own_and_rare_ones_share() -> None:
    rng = np.random.default_rng(1)
    right = np.stack([rng.random(400) < share for share in (0.4, 0.05, 0.05)], axis=1)
    # The first label's probabilities are twice as high as they should be.
    probabilities = np.where(right, 0.35, 0.1) + 0.1 * rng.random((400, 3))
    probabilities[:, 0] *= 2
    first, *rare = best_thresholds(probabilities, right)
    assert rare[0] == rare[1] != first
    assert micro_f1(probabilities >= [first, *rare], right) == 1.0


def test_thresholds_of_their_own_never_lower_the_micro_f1() -> None:
    rng = np.random.default_rng(2)
    for _ in range(10):
        right = rng.random((80, 4)) < [0.5, 0.4, 0.3, 0.05]
        probabilities = np.clip(right * 0.2 + rng.random((80, 4)), 1e-3, 0.999)
        shared = best_threshold(probabilities.ravel(), right.ravel())
        found = micro_f1(probabilities >= best_thresholds(probabilities, right), right)
        assert found >= micro_f1(probabilities >= shared, right)


def test_micro_f1_is_scikit_learns() -> None:
    rng = np.random.default_rng(3)
    said, right = rng.random((2, 50, 5)) < 0.3
    assert micro_f1(said, right) == pytest.approx(f1_score(right, said, average="micro"))
    assert micro_f1(np.zeros((2, 2), bool), np.zeros((2, 2), bool)) == 0.0
