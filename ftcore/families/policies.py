"""Chooses a policy on validation rows: temperature, confidence to abstain below, threshold of conformal sets.

What rests on too few rows would be luck; each choice says how many it needs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np

from ftcore.errors import UserError
from ftcore.spec.policy import PolicySpec
from ftcore_runtime.policy import PLAIN, Conformal, Policy, reached

Array = np.ndarray[Any, np.dtype[Any]]

#: Rows from which a temperature is fitted.
TEMPERATURE_ROWS = 100
#: Chance that the precision of the answers that are given is below the target after all.
RISK = 0.1
_LEAST, _MOST = 0.05, 20.0  # temperatures
_CELLS = 2**24  # logits that a temperature is fitted on


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


def fit_temperature(logits: Array, right: Array) -> float:
    """The temperature with the least negative log-likelihood (Guo et al. 2017), between 0.05 and 20.

    Args:
        logits: float [rows, labels].
        right: of one label, int [rows], the index; of several, bool [rows, labels].
    """
    from scipy.optimize import minimize_scalar

    several = right.ndim == 2

    def loss(log_temperature: float) -> float:
        scaled = logits / math.exp(log_temperature)
        if several:
            return float(np.logaddexp(0, np.where(right, -scaled, scaled)).mean())
        top = scaled.max(axis=1, keepdims=True)
        whole = np.log(np.exp(scaled - top).sum(axis=1)) + top[:, 0]
        return float((whole - scaled[np.arange(len(scaled)), right]).mean())

    found = minimize_scalar(loss, bounds=(math.log(_LEAST), math.log(_MOST)), method="bounded")
    return math.exp(float(found.x))


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


def unmet(policy: Policy, spec: PolicySpec) -> list[str]:
    """What of the spec the validation rows did not allow, a sentence each."""
    if spec.target_precision is None or policy.min_confidence != 1.0:
        return []
    return [
        f"policy.target_precision: no confidence reaches {spec.target_precision:g} on the validation rows, so every"
        " answer that is not certain abstains"
    ]


def choose_temperature(spec: PolicySpec, logits: Array, right: Array) -> float:
    """The temperature that the spec wants; 1 where it leaves the logits as they are.

    Args:
        logits, right: see `fit_temperature`.
    """
    if spec.temperature == "off" or (spec.temperature == "auto" and len(logits) < TEMPERATURE_ROWS):
        return 1.0
    step = math.ceil(logits.size / _CELLS)  # one number needs no more
    return fit_temperature(logits[::step], right[::step])
