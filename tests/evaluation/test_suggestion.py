"""Which rows are worth a label: by margin, apart from each other; and a learning curve that knows its law."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore.evaluation.learning_curve import FEWEST, LearningCurve, learning_curve
from ftcore.evaluation.suggestion import diverse, uncertainty


def test_one_label_goes_by_the_margin() -> None:
    probabilities = np.array([[0.9, 0.06, 0.04], [0.45, 0.5, 0.05], [0.34, 0.33, 0.33]])
    found = uncertainty("single_label", probabilities, np.array([0.5]))
    assert found == pytest.approx([1 - 0.84, 1 - 0.05, 1 - 0.01])


def test_several_labels_go_by_the_one_next_to_its_threshold() -> None:
    probabilities = np.array([[0.9, 0.1], [0.9, 0.19], [0.0, 1.0]])
    found = uncertainty("multi_label", probabilities, np.array([0.5, 0.2]))
    assert found == pytest.approx([1 - 0.5, 1 - 0.05, 0.0])


def test_rows_alike_are_taken_once() -> None:
    middles = np.eye(4, 8, dtype=np.float32)
    inputs = np.repeat(middles, 25, axis=0) + np.random.default_rng(0).normal(0, 0.01, (100, 8)).astype("f4")
    uncertain = np.linspace(1.0, 0.9, 100)  # the first 25, all alike, are the least certain ones
    chosen = diverse(inputs, uncertain, 10)
    assert sorted(set((chosen // 25).tolist())) == [0, 1, 2, 3]
    assert list(chosen) == sorted(chosen, key=lambda index: -uncertain[index])


def test_there_are_never_more_or_fewer_rows_than_asked_for() -> None:
    inputs, uncertain = np.ones((30, 4), np.float32), np.linspace(0, 1, 30)
    assert len(set(diverse(inputs, uncertain, 5).tolist())) == 5
    assert len(diverse(inputs[:3], uncertain[:3], 5)) == 3


def test_a_power_law_is_carried_on() -> None:
    rows = [50, 100, 200, 400]
    curve = LearningCurve("accuracy", rows, [1 - (0.1 + 2 * m**-0.5) for m in rows])
    assert curve.gain(400, 400) == pytest.approx(2 * (400**-0.5 - 800**-0.5), rel=0.05)
    flat = LearningCurve("accuracy", rows, [0.8, 0.79, 0.8, 0.79])
    assert flat.gain(400, 400) == pytest.approx(0.0, abs=5e-3)


def test_the_curve_rises_where_there_is_something_to_learn() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 4, 240)
    inputs = (np.eye(4, 32)[targets] + rng.normal(0, 0.5, (240, 32))).astype(np.float32)
    weights = np.ones(240, np.float32)
    curve = learning_curve("single_label", inputs, targets, weights, 0)
    assert curve is not None
    assert curve.rows == [45, 72, 113, 180]
    assert curve.values[-1] > curve.values[0] > 0.4
    hot = np.eye(4, dtype=np.float32)[targets]
    several = learning_curve("multi_label", inputs, hot, weights, 0)
    assert several is not None
    assert several.metric == "f1_micro"
    assert several.values[-1] > 0.5
    few = FEWEST - 1
    assert learning_curve("single_label", inputs[:few], targets[:few], weights[:few], 0) is None
