"""Intervals: their width, their coverage, and when there are none."""

from __future__ import annotations

import numpy as np

from ftcore.evaluation.bootstrap import bootstrap


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(lambda rows: {"mean": float(values[rows].mean())}, 400, 4000, 0.95)["mean"]
    half = 1.96 * values.std() / np.sqrt(400)
    assert np.isclose(found.low, values.mean() - half, atol=0.01)
    assert np.isclose(found.high, values.mean() + half, atol=0.01)


def test_nineteen_of_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        hits = rng.random(300) < 0.8
        found = bootstrap(lambda rows, hits=hits: {"accuracy": float(hits[rows].mean())}, 300, 300, 0.95)[
            "accuracy"
        ]
        held += found.low <= 0.8 <= found.high
    assert 0.90 <= held / 200 <= 0.99


def test_the_same_rows_give_the_same_interval() -> None:
    def scorer(rows: np.ndarray) -> dict[str, float]:
        return {"x": float(rows.mean())}

    assert bootstrap(scorer, 50, 100, 0.9) == bootstrap(scorer, 50, 100, 0.9)


def test_without_resamples_or_rows_there_are_no_intervals() -> None:
    assert bootstrap(lambda rows: {"x": 1.0}, 10, 0, 0.95) == {}
    assert bootstrap(lambda rows: {"x": 1.0}, 0, 10, 0.95) == {}
