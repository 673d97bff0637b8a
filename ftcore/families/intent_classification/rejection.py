"""Chooses how texts of no intent are rejected: by which score, and from where on."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from ftcore.families.calibration import ranking_quality
from ftcore.families.intent_classification.spaces import place_in_intent, spaces_of
from ftcore.families.sequence_classification.probe import fit_probe
from ftcore_runtime.decoders.intent_classification import OF_LOGITS, scope_scores
from ftcore_runtime.scope import Space

#: Rows out of scope from which they choose the method.
ENOUGH = 10
_FOLDS = 5  # in which intents stand in for what is unknown
_HELD_OUT = 5  # every fifth row of an intent is answered, the others are learnt


def scores_of(
    logits: np.ndarray, pooled: np.ndarray | None, spaces: Mapping[str, Space]
) -> dict[str, np.ndarray]:
    """Method -> what is larger for texts of an intent, float64 [rows]; of distances where there are representations.

    Args:
        logits: float [rows, intents].
        pooled: float [rows, size].
    """
    made = {method: scope_scores(logits, method) for method in OF_LOGITS}
    if pooled is not None:
        made |= {method: space.scores(pooled) for method, space in spaces.items()}
    return made


def quality_by_rows(scores: Mapping[str, np.ndarray], inside: np.ndarray) -> dict[str, float]:
    """Method -> area under the ROC curve, with rows out of scope that are labelled so.

    Args:
        inside: bool [rows].
    """
    return {method: ranking_quality(own, inside) for method, own in scores.items()}


def quality_by_logits(logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """The same of the methods that go by logits, with intents in the place of what is unknown, a fifth at a time.

    The logits of these intents are taken out, and their rows should rank below the others. The model has learnt them,
    so it sees more than it would of what is unknown.

    Args:
        logits: float [rows, intents], of rows in scope.
        labels: int [rows]: the intent of each row.
    """
    intents = logits.shape[1]
    fold = _folds(intents)
    found: dict[str, list[float]] = {}
    for out in range(fold.max() + 1):
        if (fold != out).sum() > 1:
            for method in OF_LOGITS:
                scores = scope_scores(logits[:, fold != out], method)
                found.setdefault(method, []).append(ranking_quality(scores, fold[labels] != out))
    return {method: float(np.mean(values)) for method, values in found.items()}


def quality_on_frozen(inputs: np.ndarray, labels: np.ndarray, intents: int) -> dict[str, float]:
    """The same of all methods, on what the base model makes of training rows before it is trained.

    A fifth of the intents is unknown at a time: a regression, means and neighbours are learnt from rows of the others,
    a fifth of which is held out. These should rank above the rows of the intents that nothing was learnt from.

    Args:
        inputs: float32 [rows, size].
        labels: int64 [rows]: the intent of each row.

    Returns:
        nothing where the rows are too few.
    """
    fold = _folds(intents)
    held = place_in_intent(labels) % _HELD_OUT == _HELD_OUT - 1
    found: dict[str, list[float]] = {}
    for out in range(fold.max() + 1):
        known = fold[labels] != out
        learnt, asked = known & ~held, (known & held) | ~known
        names, own = np.unique(labels[learnt], return_inverse=True)
        if len(names) < 2 or not (known & held).any() or known.all():
            continue
        ones = np.ones(len(own), np.float32)
        weight, bias = fit_probe("single_label", inputs[learnt], own, ones, len(names))
        spaces = spaces_of(inputs[learnt], own, len(names))
        scores = scores_of(inputs[asked] @ weight.T + bias, inputs[asked], spaces)
        for method, values in quality_by_rows(scores, known[asked]).items():
            found.setdefault(method, []).append(values)
    return {method: float(np.mean(values)) for method, values in found.items()}


def best_of(quality: Mapping[str, float], among: Mapping[str, object]) -> str:
    """The method with the largest area, of those that there are; the first of equals."""
    there = [method for method in quality if method in among]
    return max(there, key=quality.__getitem__, default=OF_LOGITS[0])


def _folds(intents: int) -> np.ndarray:
    folds: np.ndarray = np.random.default_rng(0).permutation(intents) % min(_FOLDS, intents)
    return folds


def threshold_for(scores: np.ndarray, rate: float) -> float:
    """The largest threshold that keeps this share of the rows.

    Args:
        scores: float [rows], of rows in scope; there is one at least.
    """
    dropped = int(np.floor(len(scores) * (1 - rate) + 1e-9))
    return float(np.sort(scores)[dropped])
