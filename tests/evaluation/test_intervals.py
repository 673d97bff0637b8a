"""Intervals: coverage at few and many rows, rare classes, rows that depend on each other, and when there are none."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

import numpy as np
import pytest

from ftcore.evaluation.intervals import Interval, bootstrap, percentiles, proportion
from ftcore.evaluation.scorers import Difference, Only
from ftcore.families.sequence_classification.metrics import SingleLabelMeasures


@pytest.mark.parametrize("rows", [5, 20, 100, 1000])
def test_wilson_covers_what_it_says_over_shares_of_every_size(rows: int) -> None:
    rng = np.random.default_rng(0)
    shares = rng.random(2000)
    held = 0
    for share in shares:
        found = proportion(int(rng.binomial(rows, share)), rows, 0.95)
        held += found.low <= share <= found.high
    assert held / len(shares) == pytest.approx(0.95, abs=0.02)


def test_four_right_of_four_are_no_certainty() -> None:
    found = proportion(4, 4, 0.95)
    assert found.low == pytest.approx(0.5101, abs=1e-4)
    assert found.high == 1.0


def test_the_interval_of_a_mean_is_that_of_theory() -> None:
    values = np.random.default_rng(0).normal(size=400)
    found = bootstrap(lambda rows: {"mean": float(values[rows].mean())}, 400, 2000, 0.95)["mean"]
    half = 1.96 * values.std() / np.sqrt(400)
    assert found is not None
    assert np.isclose(found.low, values.mean() - half, atol=0.015)
    assert np.isclose(found.high, values.mean() + half, atol=0.015)


def test_a_macro_average_lies_in_its_own_interval_and_no_resample_loses_a_rare_class() -> None:
    references = np.asarray([0] * 180 + [1] * 12 + [2] * 8)
    answers = references.copy()
    answers[[180, 181, 192, 193]] = 0
    labels = ["a", "b", "c"]
    measures = SingleLabelMeasures(
        [labels[i] for i in references], [labels[i] for i in answers], labels, ordered=False
    )
    seen: list[int] = []

    def scorer(rows: np.ndarray) -> dict[str, float]:
        seen.append(len(np.unique(references[rows])))
        return {"recall_macro": measures.values(rows)["recall_macro"]}

    found = bootstrap(scorer, 200, 500, 0.95, strata=references)["recall_macro"]
    value = measures.values(np.arange(200))["recall_macro"]
    assert found is not None
    assert found.low < value < found.high
    assert set(seen) == {3}


def test_a_class_of_one_row_is_in_every_resample() -> None:
    strata = np.asarray([0] * 30 + [1])
    counts: list[int] = []

    def scorer(rows: np.ndarray) -> dict[str, float]:
        counts.append(int((rows == 30).sum()))
        return {"mean": float(rows.mean())}

    assert bootstrap(scorer, 31, 100, 0.9, strata=strata)["mean"] is not None
    assert set(counts) == {1}


def test_rows_that_depend_on_each_other_widen_the_interval() -> None:
    each = np.random.default_rng(1).normal(size=40)
    values, clusters = np.repeat(each, 10), np.repeat(np.arange(40), 10)

    def width(found: Interval | None) -> float:
        assert found is not None
        return found.high - found.low

    def scorer(rows: np.ndarray) -> dict[str, float]:
        return {"mean": float(values[rows].mean())}

    alone = width(bootstrap(scorer, 400, 500, 0.95)["mean"])
    together = width(bootstrap(scorer, 400, 500, 0.95, clusters=clusters)["mean"])
    assert 2.5 < together / alone < 4.0, "ten copies of a row are worth one: the root of ten"


def test_rows_of_a_cluster_are_drawn_together_wherever_they_stand() -> None:
    clusters, drawn = np.array([4, 1, 4, 9, 1, 4]), []
    bootstrap(lambda rows: drawn.append(rows) or {"mean": rows.mean()}, 6, 50, 0.95, clusters=clusters)
    assert len({len(rows) for rows in drawn}) > 1, "clusters have one, two and three rows"
    for rows in drawn:
        counts = np.bincount(rows, minlength=6)
        assert counts[0] == counts[2] == counts[5]
        assert counts[1] == counts[4]
        assert counts[0] + counts[1] + counts[3] in (2, 3), (
            "as many clusters as there are, or all but one (BCa)"
        )


@pytest.mark.parametrize("measure", [bootstrap, percentiles])
@pytest.mark.parametrize("clusters", [None, np.arange(60) // 4])
def test_a_scorer_of_many_resamples_gives_the_intervals_of_one_at_a_time(
    measure: Callable[..., object], clusters: np.ndarray | None
) -> None:
    values = np.random.default_rng(3).normal(size=60)

    class AtOnce:
        shapes: ClassVar[list[tuple[int, ...]]] = []

        def __call__(self, rows: np.ndarray) -> dict[str, float]:
            return {"mean": float(values[rows].mean())}

        def resamples(self, samples: np.ndarray) -> dict[str, np.ndarray]:
            self.shapes.append(samples.shape)
            return {"mean": values[samples].mean(1)}

    one = measure(lambda rows: {"mean": float(values[rows].mean())}, 60, 200, 0.9, clusters=clusters)
    assert measure(AtOnce(), 60, 200, 0.9, clusters=clusters) == one
    if clusters is None:
        assert (200, 60) in AtOnce.shapes, "all resamples in one call"


def test_a_difference_is_that_of_the_same_rows() -> None:
    low, high = np.arange(30.0), np.arange(30.0) ** 2
    mean = lambda values: lambda rows: {"mean": float(values[rows].mean()), "rows": float(len(rows))}  # noqa: E731
    gain = Only(Difference(mean(low), mean(high)), frozenset({"mean"}))
    samples = np.random.default_rng(0).integers(0, 30, (5, 30))
    expected = [float((high - low)[rows].mean()) for rows in samples]
    assert gain.resamples(samples)["mean"] == pytest.approx(expected)
    assert [gain(rows) for rows in samples] == [{"mean": pytest.approx(value)} for value in expected]


def test_the_same_rows_give_the_same_interval() -> None:
    def scorer(rows: np.ndarray) -> dict[str, float]:
        return {"x": float(rows.mean())}

    assert bootstrap(scorer, 50, 100, 0.9) == bootstrap(scorer, 50, 100, 0.9)


def test_an_interval_that_cannot_be_had_is_none() -> None:
    assert bootstrap(lambda rows: {"x": 1.0}, 40, 50, 0.95) == {"x": None}
    assert bootstrap(lambda rows: {"x": float(rows.mean())}, 1, 50, 0.95) == {"x": None}
    assert bootstrap(lambda rows: {"x": 1.0}, 10, 0, 0.95) == {}
    assert bootstrap(lambda rows: {"x": 1.0}, 0, 10, 0.95) == {}
