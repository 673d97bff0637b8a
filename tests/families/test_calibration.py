"""Reliability, calibration error and risk against coverage, on scores whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore.families.calibration import calibration_error, reliability, risk_coverage


def test_scores_that_mean_what_they_say_have_no_error() -> None:
    rng = np.random.default_rng(0)
    scores = rng.random(20_000)
    right = rng.random(20_000) < scores
    assert calibration_error(scores, right) < 0.015
    assert calibration_error(scores**3, right) > 0.2


def test_bins_have_as_many_rows_each() -> None:
    bins = reliability(np.linspace(0, 1, 25), np.ones(25, dtype=bool))
    assert {one.rows for one in bins} == {2, 3}
    assert len(reliability(np.asarray([0.3, 0.6]), np.asarray([True, False]))) == 2
    assert reliability(np.empty(0), np.empty(0, dtype=bool)) == []


def test_the_least_certain_rows_are_left_out_first() -> None:
    coverage, risk = risk_coverage(np.asarray([0.9, 0.2, 0.8, 0.7]), np.asarray([True, False, True, False]))
    assert coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert risk.tolist() == pytest.approx([0.0, 0.0, 1 / 3, 0.5])
