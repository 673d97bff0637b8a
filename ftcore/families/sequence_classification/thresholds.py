"""From which probability a label holds, where a text may have several: thresholds with the best F1 on given rows."""

from __future__ import annotations

import numpy as np

#: Rows of a label from which it gets a threshold of its own: one chosen by fewer follows their accidents.
OWN_ROWS = 20


def best_thresholds(probabilities: np.ndarray, right: np.ndarray) -> list[float]:
    """A threshold for each label: its own where it has rows enough, and one that the others share.

    One for all takes their place where it has the higher micro F1. (Lipton et al. 2014 show how F1 depends on
    thresholds, Fan and Lin 2007 that those of rare labels mislead.)

    Args:
        probabilities: float [rows, labels].
        right: bool [rows, labels], the labels that hold.
    """
    same = np.full(probabilities.shape[1], best_threshold(probabilities.ravel(), right.ravel()))
    each, rare = same.copy(), right.sum(0) < OWN_ROWS
    if right[:, rare].sum() >= OWN_ROWS:
        each[rare] = best_threshold(probabilities[:, rare].ravel(), right[:, rare].ravel())
    for label in np.flatnonzero(~rare):
        each[label] = best_threshold(probabilities[:, label], right[:, label])
    better = micro_f1(probabilities >= each, right) >= micro_f1(probabilities >= same, right)
    return [float(one) for one in (each if better else same)]


def best_threshold(scores: np.ndarray, right: np.ndarray) -> float:
    """The threshold with the best F1, halfway between two scores; 0.5 where nothing is right.

    Args:
        scores: probabilities, float [n].
        right: bool [n].
    """
    if not right.any():
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    taken = np.arange(1, len(ranked) + 1)
    f1 = 2 * hits / (taken + right.sum())
    below = np.append(ranked[1:], 0.0)
    f1[ranked == below] = -1.0  # equal scores are on one side
    best = int(np.argmax(f1))
    return float(np.clip((ranked[best] + below[best]) / 2, 1e-6, 1 - 1e-6))


def micro_f1(predicted: np.ndarray, right: np.ndarray) -> float:
    """Micro F1 of bool [rows, labels]; 0 where there is nothing to find and nothing is predicted."""
    total = predicted.sum() + right.sum()
    return float(2 * (predicted & right).sum() / total) if total else 0.0
