"""Labels that are likely wrong: confident learning (Northcutt et al. 2021) on probabilities of a probe, out of fold.

The probe is a regression on the base model's frozen representations; the ranking is cleanlab's.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from ftcore.evaluation.out_of_fold import FOLDS, out_of_fold
from ftcore_runtime.softmax import softmax

#: What is imported below where it is needed, a second's work: for a caller who has something else to wait for.
HEAVY = ("cleanlab.filter",)  # which imports scikit-learn
#: Rows of the rarest label below which a fold may have none to learn from.
_FEWEST_ROWS = 10
#: Rows times labels above which probabilities would need gigabytes.
_MOST_NUMBERS = 20_000_000


@dataclass(frozen=True)
class Suspects:
    """Rows whose label is likely wrong.

    Args:
        rows: their indices, the likeliest first.
        order: all rows by how little they look like their label, int64 [rows].
        folds: regressions that were fitted.
        probabilities: of the labels, by a probe that has not seen the row, float64 [rows, labels].
    """

    rows: np.ndarray
    order: np.ndarray
    folds: int
    probabilities: np.ndarray


def find_suspects(
    inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray, groups: np.ndarray, labels: int, seed: int
) -> Suspects | None:
    """Rank rows by how little a probe that has not seen them believes their label; None of too few or too many.

    Args:
        inputs: float32 [rows, size], frozen representations.
        targets: int64 [rows].
        weights: of the rows, float32 [rows].
        groups: int64 [rows]; rows of one group are copies of one another, and stay in one fold.
        labels: how many there are.
    """
    if len(inputs) < FOLDS * _FEWEST_ROWS or len(inputs) * labels > _MOST_NUMBERS:
        return None
    logits = out_of_fold("single_label", inputs, targets, weights, groups, labels, seed)
    return _ranked(targets, softmax(logits))


def _ranked(targets: np.ndarray, probabilities: np.ndarray) -> Suspects:
    from cleanlab.filter import find_label_issues
    from cleanlab.rank import get_label_quality_scores

    there = np.unique(targets)  # cleanlab knows labels that some row has
    own = np.searchsorted(there, targets)
    chances = probabilities[:, there]
    chances = chances / chances.sum(1, keepdims=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        issues = find_label_issues(own, chances, filter_by="prune_by_noise_rate", n_jobs=1)
        quality = get_label_quality_scores(own, chances, method="self_confidence")
    order = np.argsort(quality, kind="stable")
    return Suspects(order[issues[order]], order, FOLDS, probabilities)
