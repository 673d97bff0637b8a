"""Which unlabelled rows to label next: those that a model is least sure of, and no two alike."""

from __future__ import annotations

import warnings

import numpy as np

from ftcore_runtime.vectors import unit

#: Of the least certain rows, so many times those that are wanted compete for diversity.
_PRESELECTED = 10
_SEED = 0


def uncertainty(problem: str, probabilities: np.ndarray, thresholds: np.ndarray) -> np.ndarray:
    """How little a model is sure of each row, float64 [rows], 0 to 1.

    One label: 1 less the margin between the two most probable ones (Scheffer et al. 2001). Several: 1 less the
    distance of the label that lies nearest to its threshold, in shares of the way from there to 0 or 1.

    Args:
        problem: `single_label` or `multi_label`.
        probabilities: float [rows, labels].
        thresholds: of several labels, float [labels] or [1].
    """
    if problem == "single_label":
        second, first = np.sort(probabilities, axis=1)[:, -2:].T
        return np.asarray(1.0 - (first - second), np.float64)
    room = np.where(probabilities >= thresholds, 1 - thresholds, thresholds)
    return np.asarray(1.0 - (np.abs(probabilities - thresholds) / room).min(1), np.float64)


def diverse(inputs: np.ndarray, uncertain: np.ndarray, count: int) -> np.ndarray:
    """The indices of `count` uncertain rows that differ, int64, the least certain one first.

    The least certain rows are parted into `count` clusters, in which uncertain rows weigh more; the row next to the
    middle of each is taken (weighted k-means, Zhdanov 2019).

    Args:
        inputs: float32 [rows, size]: what a head reads of each row; only directions count.
        uncertain: float64 [rows].
    """
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning

    count = min(count, len(uncertain))
    order = np.argsort(-uncertain, kind="stable")[: count * _PRESELECTED]
    if len(order) <= count:
        return order
    directions = unit(inputs[order])
    weights = uncertain[order] + 1e-6
    with warnings.catch_warnings():  # rows alike make fewer clusters, which is seen to below
        warnings.simplefilter("ignore", ConvergenceWarning)
        clusters = KMeans(count, n_init=1, random_state=_SEED, max_iter=50).fit(
            directions, sample_weight=weights
        )
    distance = np.linalg.norm(directions - clusters.cluster_centers_[clusters.labels_], axis=1)
    # Ascending by distance, so that the first row of each cluster is the one next to its middle.
    by_distance = np.argsort(distance, kind="stable")
    _, first = np.unique(clusters.labels_[by_distance], return_index=True)
    taken = by_distance[first]
    if len(taken) < count:
        rest = np.setdiff1d(np.arange(len(order)), taken)
        taken = np.concatenate([taken, rest[: count - len(taken)]])
    return order[np.sort(taken)]
