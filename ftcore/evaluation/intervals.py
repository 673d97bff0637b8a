"""Confidence intervals: Wilson's for proportions, the BCa bootstrap for every other metric.

They speak of other rows from the same source, not of other trainings: the rows are what is drawn.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftcore.evaluation.scorers import of_resamples
from ftcore.families.scoring import Scorer
from ftcore_runtime.ranges import ranges

Array = np.ndarray[Any, np.dtype[Any]]

#: Units from which the percentile bootstrap is used: BCa measures once more without each unit in turn, and its
#: correction, which shrinks with the number of units, is below the noise of the resamples by then.
_MANY = 2_000
_AT_ONCE = 2_000_000  # indices of the rows of some resamples


@dataclass(frozen=True)
class Interval:
    """Bounds of a metric at the confidence that was asked for."""

    low: float
    high: float


def proportion(hits: int, rows: int, confidence: float) -> Interval:
    """Wilson's score interval (1927) of a share of rows.

    Unlike the bootstrap it is right for few rows, and for a share of 0 or 1, whose interval is not a point.

    Args:
        hits: rows that count, of `rows` (1 or more).
    """
    from scipy.stats import binomtest

    found = binomtest(hits, rows).proportion_ci(confidence, method="wilson")
    return Interval(float(found.low), float(found.high))


def of_mean(values: Array, confidence: float = 0.95) -> Interval:
    """Student's interval (1908) of the mean of some numbers, float [numbers], of which there are two or more."""
    from scipy.stats import t

    half = float(t.ppf((1 + confidence) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Interval(float(np.mean(values)) - half, float(np.mean(values)) + half)


def bootstrap(
    scorer: Scorer,
    rows: int,
    resamples: int,
    confidence: float,
    *,
    strata: Array | None = None,
    clusters: Array | None = None,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Interval of each metric of `scorer` by the BCa bootstrap (Efron 1987), or by percentiles where units are many.

    Args:
        scorer: the metrics of the rows at some indices (int64, with repetition).
        strata: int64 [rows]; rows are drawn within their stratum, so that no resample lacks a rare class.
        clusters: int64 [rows]; rows of a cluster depend on each other and are drawn together. Not with `strata`.
        seed: of the resamples.

    Returns:
        metric -> interval; None where there is none, since every resample gives the same value or some give none.
        Empty where `resamples` or `rows` is 0.
    """
    if not resamples or not rows:
        return {}
    names = list(scorer(np.arange(rows)))
    units = _Units.of(rows, clusters)
    samples = _samples(len(units), strata)
    always = np.concatenate([sample for sample in samples if len(sample) < 2] or [np.empty(0, np.int64)])
    drawn = [sample for sample in samples if len(sample) >= 2]
    if not drawn:
        return dict.fromkeys(names)

    def statistic(*chosen: Array, axis: int) -> Array:
        """[metrics, ...] of units [..., n] a stratum, which broadcast against each other but for the last axis."""
        shape = np.broadcast_shapes(*(sample.shape[:-1] for sample in chosen))
        whole = [np.broadcast_to(sample, (*shape, sample.shape[-1])) for sample in chosen]
        flat = np.concatenate(whole, axis=-1).reshape(-1, sum(sample.shape[-1] for sample in chosen))
        values = units.measure(scorer, np.hstack((flat, np.tile(always, (len(flat), 1)))))
        return np.stack([values[name] for name in names]).reshape(len(names), *shape)

    from scipy import stats

    method = "BCa" if len(units) <= _MANY else "percentile"
    with warnings.catch_warnings():  # a metric that never varies has None
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        found = stats.bootstrap(
            drawn,
            statistic,
            n_resamples=resamples,
            confidence_level=confidence,
            method=method,
            vectorized=True,
            batch=max(1, _AT_ONCE // rows),
            axis=-1,
            rng=np.random.default_rng(seed),
        )
    bounds = zip(names, found.confidence_interval.low, found.confidence_interval.high, strict=True)
    return {name: _interval(float(low), float(high)) for name, low, high in bounds}


def reflected(
    scorer: Scorer,
    rows: int,
    resamples: int,
    confidence: float,
    *,
    clusters: Array | None = None,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Interval of each metric by the basic bootstrap (Davison and Hinkley 1997).

    It is for metrics of 0 or more whose resamples lie off to one side: percentiles that are reflected about the value
    make up for that.

    Args, returns: as of `bootstrap`.
    """
    values = scorer(np.arange(rows)) if rows else {}
    found = percentiles(scorer, rows, resamples, confidence, clusters=clusters, seed=seed)
    return {
        name: one and _interval(max(0.0, 2 * values[name] - one.high), max(0.0, 2 * values[name] - one.low))
        for name, one in found.items()
    }


def percentiles(
    scorer: Scorer,
    rows: int,
    resamples: int,
    confidence: float,
    *,
    clusters: Array | None = None,
    seed: int = 0,
) -> dict[str, Interval | None]:
    """Interval of each metric by the percentile bootstrap: for scorers that cost much, called once a resample.

    Args, returns: as of `bootstrap`.
    """
    if not resamples or not rows:
        return {}
    units = _Units.of(rows, clusters)
    rng, tail = np.random.default_rng(seed), 100 * (1 - confidence) / 2
    most = max(1, _AT_ONCE // rows)
    parts = [
        units.measure(scorer, rng.integers(0, len(units), (min(most, resamples - start), len(units))))
        for start in range(0, resamples, most)
    ]
    found: dict[str, Interval | None] = {}
    for name in parts[0]:
        low, high = np.percentile(np.concatenate([part[name] for part in parts]), [tail, 100 - tail])
        found[name] = _interval(float(low), float(high))
    return found


@dataclass(frozen=True)
class _Units:
    """What is drawn: rows, or clusters of rows.

    Args:
        order: int64 [rows]: the rows of the first unit, of the second, and so on.
        starts, lengths: int64 [units]: where each begins in that, and how many rows it has.
    """

    order: Array
    starts: Array
    lengths: Array

    @classmethod
    def of(cls, rows: int, clusters: Array | None) -> _Units:
        """Each row alone, or each cluster (int64 [rows])."""
        if clusters is None:
            return cls(np.arange(rows), np.arange(rows), np.ones(rows, np.int64))
        order = np.argsort(clusters, kind="stable")
        starts = np.flatnonzero(np.diff(clusters[order], prepend=clusters[order[:1]] - 1))
        return cls(order, starts, np.diff(starts, append=rows))

    def __len__(self) -> int:
        return len(self.starts)

    def measure(self, scorer: Scorer, samples: Array) -> Mapping[str, Array]:
        """Every metric of each resample of units (int64 [resamples, units]), float64 [resamples]."""
        if len(self.starts) == len(self.order):
            return of_resamples(scorer, self.order[samples])
        # Clusters are of any size, and so are resamples of them.
        each = [of_resamples(scorer, self._rows(units)[None]) for units in samples]
        return {name: np.concatenate([values[name] for values in each]) for name in each[0]}

    def _rows(self, units: Array) -> Array:
        """The rows of some units one after another, int64."""
        return np.asarray(self.order[ranges(self.starts[units], self.lengths[units])])


def _samples(count: int, strata: Array | None) -> list[Array]:
    units = np.arange(count)
    if strata is None:
        return [units]
    return [units[strata == stratum] for stratum in np.unique(strata)]


def _interval(low: float, high: float) -> Interval | None:
    return Interval(low, high) if np.isfinite([low, high]).all() and low < high else None
