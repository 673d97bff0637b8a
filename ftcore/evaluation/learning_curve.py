"""What more labelled rows would bring: a learning curve of the probe, carried on as a power law.

The curve is of a regression on frozen representations, which takes seconds; a fine-tuned model lies above it, and gains
about as much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ftcore.data.splitting import fold_of
from ftcore.families.sequence_classification.probe import fit_probe
from ftcore.families.sequence_classification.thresholds import best_threshold, micro_f1

_SHARES = (0.25, 0.4, 0.63, 1.0)
_FOLDS = 4
#: Fewest rows of which a curve says anything, and most that it is measured on.
FEWEST, MOST = 40, 4_000
_POWERS = np.linspace(0.1, 1.0, 19)


@dataclass(frozen=True)
class LearningCurve:
    """Values of a metric by rows, means over folds.

    Args:
        metric: accuracy or f1_micro.
        rows: how many rows were trained on, ascending.
        values: of the rows that were held out.
    """

    metric: str
    rows: Sequence[int]
    values: Sequence[float]

    def gain(self, now: int, more: int) -> float:
        """By how much the metric would rise with `more` rows than `now`, chosen at random; never below 0."""
        _, size, power = self._law()
        return float(size * (now**-power - (now + more) ** -power))

    def _law(self) -> tuple[float, float, float]:
        """Error = floor + size * rows ** -power with the least squared error, floor and size 0 or more."""
        rows, errors = np.asarray(self.rows, float), 1.0 - np.asarray(self.values)
        flat = float(errors.mean())
        best = (float(np.square(flat - errors).sum()), flat, 0.0, 1.0)
        for power in _POWERS:
            basis = rows**-power
            for columns in (np.stack([np.ones_like(basis), basis], 1), basis[:, None]):
                found, *_ = np.linalg.lstsq(columns, errors, rcond=None)
                floor, size = (0.0, *found) if len(found) == 1 else found
                squared = float(np.square(columns @ found - errors).sum())
                if floor >= 0 and size >= 0 and squared < best[0]:
                    best = (squared, float(floor), float(size), float(power))
        return best[1:]


def learning_curve(
    problem: str, inputs: np.ndarray, targets: np.ndarray, weights: np.ndarray, seed: int
) -> LearningCurve | None:
    """Measure the probe on held-out rows, with more and more of the others; None of too few rows.

    Args:
        problem: `single_label` or `multi_label`.
        inputs: float32 [rows, size], frozen representations.
        targets: int64 [rows], or float32 [rows, labels] of 0 and 1.
        weights: of the rows, float32 [rows].
    """
    rng = np.random.default_rng(seed)
    if len(inputs) > MOST:
        taken = np.sort(rng.permutation(len(inputs))[:MOST])
        inputs, targets, weights = inputs[taken], targets[taken], weights[taken]
    if len(inputs) < FEWEST:
        return None
    several = problem == "multi_label"
    labels = targets.shape[1] if several else int(targets.max()) + 1
    fold = fold_of(np.arange(len(inputs)), None if several else targets, _FOLDS, seed)
    values = np.zeros((_FOLDS, len(_SHARES)))
    rows = np.zeros(len(_SHARES), np.int64)
    for held in range(_FOLDS):
        train = rng.permutation(np.flatnonzero(fold != held))
        test = fold == held
        for index, share in enumerate(_SHARES):
            part = train[: round(share * len(train))]
            rows[index] = len(part)
            weight, bias = fit_probe(problem, inputs[part], targets[part], weights[part], labels)
            values[held, index] = _value(inputs[test] @ weight.T + bias, targets[test], several)
    name = "f1_micro" if several else "accuracy"
    return LearningCurve(name, rows.tolist(), values.mean(0).tolist())


def _value(logits: np.ndarray, targets: np.ndarray, several: bool) -> float:
    """Accuracy; of several labels micro F1 at its best threshold."""
    if not several:
        return float((logits.argmax(1) == targets).mean())
    probabilities, right = 1 / (1 + np.exp(-logits)), targets > 0
    return micro_f1(probabilities >= best_threshold(probabilities.ravel(), right.ravel()), right)
