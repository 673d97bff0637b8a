"""Chooses a policy on validation rows: temperature, confidence to abstain below, threshold of conformal sets.

What rests on too few rows would be luck; each choice says how many it needs. A temperature is kept only where it helps
rows that it was not fitted on.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from ftcore.errors import UserError
from ftcore.families.calibration import calibration_error
from ftcore.spec.policy import PolicySpec
from ftcore_runtime.policy import PLAIN, Conformal, Policy, reached

Array = np.ndarray[Any, np.dtype[Any]]

#: Rows from which a temperature is fitted.
TEMPERATURE_ROWS = 100
#: Chance that the precision of the answers that are given is below the target after all.
RISK = 0.1
_LEAST, _MOST = 0.05, 20.0  # temperatures
_CELLS = 2**22  # logits that a temperature is fitted on
_FOLDS = 5  # in which a temperature is tried
#: The threshold of a label that no threshold makes precise enough: it holds where it is certain.
NEVER = 1 - 1e-6


def rows_needed(spec: PolicySpec) -> dict[str, int]:
    """Field of `policy` -> validation rows that it takes, for the fields that the spec asks for."""
    needed = {}
    if spec.temperature == "fit":
        needed["temperature"] = TEMPERATURE_ROWS
    if spec.target_precision is not None:
        # So many right answers in a row, and not one wrong, bound the precision from below at the target.
        needed["target_precision"] = math.ceil(math.log(RISK) / math.log(spec.target_precision))
    if spec.conformal is not None:
        # Coverage is Beta-distributed around its target; with ten rows beyond the threshold its deviation is a third
        # of the share that may be missed (Angelopoulos and Bates 2021).
        needed["conformal"] = math.ceil(round(10 / (1 - spec.conformal.coverage), 6))
    return needed


def check_rows(spec: PolicySpec, rows: int) -> None:
    """Refuse what these validation rows are too few for.

    Raises:
        UserError: with how many it takes.
    """
    for field, needed in rows_needed(spec).items():
        if rows < needed:
            raise UserError(
                f"needs {needed} validation rows, and there are {rows}",
                where=f"policy.{field}",
                hint="hold out more with `data.split.validation`, or leave it out",
            )


def fit_temperature(logits: Array, right: Array, accuracy: float = 1e-5) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017), between 0.05 and 20.

    Args:
        logits: float [rows, labels].
        right: of one label, int [rows], the index; of several, bool [rows, labels].
        accuracy: of the temperature's logarithm.
    """
    from scipy.optimize import minimize_scalar

    def loss(log_temperature: float) -> float:
        return _loss(logits / math.exp(log_temperature), right)

    bounds, options = (math.log(_LEAST), math.log(_MOST)), {"xatol": accuracy}
    found = minimize_scalar(loss, bounds=bounds, method="bounded", options=options)
    return math.exp(float(found.x))


def _loss(logits: Array, right: Array) -> float:
    """Mean negative log-likelihood of a row; of several labels of each of its labels."""
    if right.ndim == 2:
        return float(np.logaddexp(0, np.where(right, -logits, logits)).mean())
    top = logits.max(axis=1, keepdims=True)
    whole = np.log(np.exp(logits - top).sum(axis=1)) + top[:, 0]
    return float((whole - logits[np.arange(len(logits)), right]).mean())


def _error(logits: Array, right: Array) -> float:
    """Calibration error, as metrics.json has it."""
    from scipy.special import expit

    if right.ndim == 2:
        return calibration_error(expit(logits).ravel(), right.ravel())
    top = logits.max(axis=1, keepdims=True)
    return calibration_error(1 / np.exp(logits - top).sum(axis=1), logits.argmax(axis=1) == right)


def doubt_of_temperature(logits: Array, right: Array) -> str | None:
    """Why these rows do not show that a temperature helps; None where they do.

    Each fifth of them is tried with the temperature of the others (Stone 1974). It has to lower the log loss and the
    calibration error.

    Args:
        logits, right: see `fit_temperature`.
    """
    folds = np.random.default_rng(0).permutation(len(logits)) % _FOLDS
    scaled = np.empty_like(logits)
    for fold in range(_FOLDS):
        out = folds == fold
        scaled[out] = logits[out] / fit_temperature(logits[~out], right[~out], accuracy=1e-3)
    tried = "no temperature: on validation rows that it was not fitted on it does not lower the"
    for what, measure in (("log loss", _loss), ("calibration error", _error)):
        before, after = measure(logits, right), measure(scaled, right)
        if not after < before:
            return f"{tried} {what} ({before:.4f}, with it {after:.4f})"
    return None


def confidence_for(confidence: Array, right: Array, precision: float) -> float | None:
    """The least confidence above which answers are right often enough: all but surely, and in as many rows as can be.

    Surely: Clopper and Pearson's lower bound of the precision, one-sided, at 1 - `RISK`.

    Args:
        confidence: float [rows].
        right: bool [rows].
        precision: the share of right answers among those that are given.

    Returns:
        None where no confidence reaches it.
    """
    from scipy.stats import beta

    order = np.argsort(-confidence, kind="stable")
    ranked, hits = confidence[order], np.cumsum(right[order])
    given = np.arange(1, len(ranked) + 1)
    bound = beta.ppf(RISK, hits, given - hits + 1)  # NaN without a hit
    last = np.append(ranked[1:] < ranked[:-1], True)  # equal ones are given together
    good = np.flatnonzero(last & (np.nan_to_num(bound) >= precision))
    return float(ranked[good[-1]]) if len(good) else None


def conformal_of(probabilities: Array, right: Array, method: str, coverage: float) -> Conformal:
    """The threshold of split conformal prediction (Vovk et al. 2005), with its correction for the number of rows.

    Args:
        probabilities: float [rows, labels], each row sums to 1.
        right: int [rows], index of the right label.
        method: `lac` or `aps`.
        coverage: the share of rows whose set is to have the right label.
    """
    rows = np.arange(len(right))
    # How unlike the others each row is, large where its own label is improbable.
    scores = 1 - probabilities[rows, right] if method == "lac" else reached(probabilities)[rows, right]
    rank = math.ceil((len(scores) + 1) * coverage)
    limit = float(np.sort(scores)[rank - 1]) if rank <= len(scores) else 1.0
    return Conformal(method, 1 - limit if method == "lac" else limit, coverage)


def with_abstention(policy: Policy, spec: PolicySpec, confidence: Array, right: Array) -> Policy:
    """The policy with the confidence to abstain below, as the spec wants it; 1 where no confidence is enough.

    Args:
        confidence: float [rows], under this policy.
        right: bool [rows], whether each answer is.
    """
    if spec.target_precision is None:
        return replace(policy, min_confidence=spec.min_confidence)
    found = confidence_for(confidence, right, spec.target_precision)
    return replace(policy, min_confidence=1.0 if found is None else found)


def policy_settings(policy: Policy) -> dict[str, Any]:
    """As a decoder's settings have it: nothing of one that changes nothing."""
    return {} if policy == PLAIN else {"policy": policy.to_json()}


def precise_thresholds(probabilities: Array, right: Array, precision: float) -> list[float]:
    """For each label the least threshold from which it holds rightly often enough, as `confidence_for` says it.

    Args:
        probabilities: float [rows, labels].
        right: bool [rows, labels], the labels that hold.
        precision: the share of right ones among the rows that are given a label.

    Returns:
        `NEVER` where no threshold reaches it.
    """
    found = []
    for label in range(right.shape[1]):
        least = confidence_for(probabilities[:, label], right[:, label], precision)
        found.append(NEVER if least is None else min(max(least, 1 - NEVER), NEVER))
    return found


def unmet(policy: Policy, spec: PolicySpec) -> list[str]:
    """What of the spec the validation rows did not allow for answers that abstain, a sentence each."""
    if spec.target_precision is None or policy.min_confidence != 1.0:
        return []
    return [
        f"policy.target_precision: no confidence reaches {spec.target_precision:g} on the validation rows, so every"
        " answer that is not certain abstains"
    ]


def unmet_labels(thresholds: Mapping[str, float], spec: PolicySpec) -> list[str]:
    """What of the spec the validation rows did not allow for labels that hold or not, a sentence each.

    Args:
        thresholds: of each label.
    """
    never = [name for name, threshold in thresholds.items() if threshold >= NEVER]
    if spec.target_precision is None or not never:
        return []
    shown = ", ".join(f"`{name}`" for name in never[:5]) + (
        f" and {len(never) - 5} more" if len(never) > 5 else ""
    )
    return [
        f"policy.target_precision: no threshold reaches {spec.target_precision:g} on the validation rows for {shown},"
        " so rows get that label only where it is certain"
    ]


def choose_temperature(spec: PolicySpec, logits: Array, right: Array) -> tuple[float, str | None]:
    """The temperature that the spec wants; 1 where it leaves the logits as they are, and why if that was tried.

    Args:
        logits, right: see `fit_temperature`.
    """
    if spec.temperature == "off" or (spec.temperature == "auto" and len(logits) < TEMPERATURE_ROWS):
        return 1.0, None
    step = math.ceil(logits.size / _CELLS)  # one number needs no more
    logits, right = logits[::step], right[::step]
    if doubt := doubt_of_temperature(logits, right):
        return 1.0, doubt
    return fit_temperature(logits, right), None
