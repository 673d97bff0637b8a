"""Chooses how texts of no intent are rejected, on validation rows: by which score, and from where on."""

from __future__ import annotations

import numpy as np

from ftcore.families.calibration import ranking_quality
from ftcore_runtime.decoders.intent_classification import METHODS, scope_scores

#: Rows out of scope from which they choose the method.
ENOUGH = 10
_FOLDS = 5  # in which intents stand in for what is unknown


def choose_method(logits: np.ndarray, labels: np.ndarray) -> str:
    """The score that ranks rows out of scope lowest (area under the ROC curve); the first of equals.

    With fewer than `ENOUGH` such rows, intents stand in for them, a fifth at a time: the logits of these intents are
    taken out, and their rows should rank below the others.

    Args:
        logits: float [rows, intents].
        labels: int [rows]: the intent of each row; -1 out of scope.
    """
    quality = {method: _quality(logits, labels, method) for method in METHODS}
    return max(METHODS, key=quality.__getitem__)


def _quality(logits: np.ndarray, labels: np.ndarray, method: str) -> float:
    if (labels < 0).sum() >= ENOUGH:
        return ranking_quality(scope_scores(logits, method), labels >= 0)
    logits, labels = logits[labels >= 0], labels[labels >= 0]
    intents = logits.shape[1]
    fold = np.random.default_rng(0).permutation(intents) % min(_FOLDS, intents)
    found = [
        ranking_quality(scope_scores(logits[:, fold != out], method), fold[labels] != out)
        for out in range(fold.max() + 1)
        if (fold != out).sum() > 1
    ]
    return float(np.mean(found)) if found else 0.0


def threshold_for(scores: np.ndarray, rate: float) -> float:
    """The largest threshold that keeps this share of the rows.

    Args:
        scores: float [rows], of rows in scope; there is one at least.
    """
    dropped = int(np.floor(len(scores) * (1 - rate) + 1e-9))
    return float(np.sort(scores)[dropped])
