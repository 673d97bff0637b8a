"""What there is to know of the space that a head reads, from training rows: for distances of texts to them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ftcore_runtime.ranges import places_within
from ftcore_runtime.scope import MOST_NUMBERS, Mahalanobis, Neighbours, Space
from ftcore_runtime.vectors import unit

_AXES = 256  # of largest variance: more are noise, and bytes of the bundle
_SHRINKAGE = 0.1  # of the covariance towards a sphere, which few rows need
_NEIGHBOUR = 5  # the which-nearest row decides; fewer rows of an intent, the least nearest of them


def spaces_of(pooled: np.ndarray, labels: np.ndarray, intents: int) -> Mapping[str, Space]:
    """Method -> what it needs, for the methods that these rows are enough for.

    Args:
        pooled: float [rows, size], representations.
        labels: int64 [rows]: the intent of each row.
        intents: how many there are; one without rows has no mean.
    """
    if len(pooled) < 2:
        return {}
    found: dict[str, Space] = {"knn": neighbours(pooled, labels)}
    axes = min(_AXES, pooled.shape[1])
    if max(intents, pooled.shape[1]) * axes <= MOST_NUMBERS:
        found["mahalanobis"] = mahalanobis(pooled, labels, axes)
    return found


def mahalanobis(pooled: np.ndarray, labels: np.ndarray, axes: int) -> Mahalanobis:
    """Means of the intents, and the whitening by their shared covariance, shrunk, on the axes of most variance."""
    rows = pooled.astype(np.float64)
    names, index = np.unique(labels, return_inverse=True)
    means = np.stack([rows[index == place].mean(axis=0) for place in range(len(names))])
    _, _, basis = np.linalg.svd(rows - rows.mean(axis=0), full_matrices=False)
    basis = basis[:axes].T  # [size, axes]
    within = (rows - means[index]) @ basis
    covariance = within.T @ within / len(rows)
    typical = float(np.trace(covariance)) / len(covariance)
    shrunk = (1 - _SHRINKAGE) * covariance + (_SHRINKAGE * typical + 1e-12) * np.eye(len(covariance))
    values, vectors = np.linalg.eigh(shrunk)
    # In units of a typical distance, so that half precision holds every number.
    whitening = (basis @ (vectors / np.sqrt(values))).astype(np.float16)
    return Mahalanobis(whitening, (means @ whitening.astype(np.float64)).astype(np.float16))


def neighbours(pooled: np.ndarray, labels: np.ndarray) -> Neighbours:
    """Rows of length 1: all, or equally many of each intent where they are too many."""
    most = max(1, MOST_NUMBERS // pooled.shape[1])
    # The first rows of all intents come first.
    kept = np.sort(np.argsort(place_in_intent(labels), kind="stable")[:most])
    smallest = int(np.unique(labels, return_counts=True)[1].min())
    known = unit(pooled[kept].astype(np.float64)).astype(np.float16)
    return Neighbours(known, min(_NEIGHBOUR, smallest, len(known)))


def place_in_intent(labels: np.ndarray) -> np.ndarray:
    """Each row's place among the rows of its intent, int64 [rows], from 0."""
    order = np.argsort(labels, kind="stable")
    place = np.empty(len(labels), np.int64)
    place[order] = places_within(np.bincount(labels))
    return place
