"""What a probe says of rows that it has not seen: a regression a fold on frozen representations."""

from __future__ import annotations

import numpy as np

from ftcore.data.splitting import fold_of
from ftcore.families.sequence_classification.probe import fit_probe

FOLDS = 5


def out_of_fold(
    problem: str,
    inputs: np.ndarray,
    targets: np.ndarray,
    weights: np.ndarray,
    groups: np.ndarray,
    outputs: int,
    seed: int,
) -> np.ndarray:
    """The logits of every row by a probe that has seen neither it nor a copy of it, float64 [rows, outputs].

    Args:
        problem: `single_label`, `multi_label` or `regression`.
        inputs: float32 [rows, size], frozen representations.
        targets: int64 [rows], or float32 [rows, labels] of 0 and 1, or float32 [rows].
        weights: of the rows, float32 [rows].
        groups: int64 [rows]; rows of one group are copies of one another, and stay in one fold.
        outputs: labels, or 1.
    """
    fold = fold_of(groups, targets if problem == "single_label" else None, FOLDS, seed)
    logits = np.zeros((len(inputs), outputs))
    for held in range(FOLDS):
        train, test = fold != held, fold == held
        weight, bias = fit_probe(problem, inputs[train], targets[train], weights[train], outputs)
        logits[test] = inputs[test] @ weight.T + bias
    return logits
