"""What a policy is worth on rows that it was not chosen on: probabilities before and after, abstention, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ftcore.evaluation.evaluate import Array, Evaluator, with_interval
from ftcore.evaluation.intervals import proportion
from ftcore.families.bound import BoundFamily
from ftcore.families.calibration import reliability
from ftcore.families.policies import unmet
from ftcore.families.scoring import SupportsCorrectness, SupportsPolicy
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.policy import PLAIN, Policy


def policy_of(family: BoundFamily) -> Policy:
    """The policy that was chosen; that of no change where the family has none."""
    return family.scoring.policy if isinstance(family.scoring, SupportsPolicy) else PLAIN


def without_policy(family: BoundFamily) -> BoundFamily:
    """The family with scores as the model gives them."""
    scoring = family.scoring
    return family.with_fitted(scoring.without_policy()) if isinstance(scoring, SupportsPolicy) else family


def measure_pipeline_policy(
    evaluator: Evaluator,
    pipeline: Pipeline,
    inputs: Sequence[Any],
    references: Sequence[Any],
    answers: Sequence[Any],
    groups: Array | None,
) -> dict[str, Any]:
    """What the policy of a pipeline is worth, as `measure_policy` says it; empty without one.

    Args:
        inputs: of the rows.
        answers: of the pipeline to them.
    """
    if (policy := pipeline.decoder.policy) == PLAIN:
        return {}
    plain = pipeline.with_decoder(pipeline.decoder.without_policy())
    without = plain.predict(inputs, top_k=evaluator.family.scoring.top_k) if policy.temperature != 1 else ()
    return measure_policy(evaluator, policy, references, answers, without, groups)


def measure_policy(
    evaluator: Evaluator,
    policy: Policy,
    references: Sequence[Any],
    answers: Sequence[Any],
    without: Sequence[Any],
    groups: Array | None,
) -> dict[str, Any]:
    """As metrics.json has it.

    Args:
        answers: with the policy.
        without: answers to the same rows without it; any where it has no temperature.
        groups: of these rows; see `groups_of`.
    """
    scoring, spec = evaluator.family.scoring, evaluator.family.spec.policy
    correct = scoring.correct(references, answers) if isinstance(scoring, SupportsCorrectness) else None
    content: dict[str, Any] = policy.to_json()
    if policy.temperature != 1.0:
        content["before"] = evaluator.probabilities(references, without, groups)
        content["after"] = evaluator.probabilities(references, answers, groups)
        if correct is not None:
            content["reliability"] = {"before": _bins(without, correct), "after": _bins(answers, correct)}
    if policy.min_confidence is not None and correct is not None:
        given = np.array([not answer.abstained for answer in answers], dtype=bool)
        content["abstention"] = {
            "target_precision": spec.target_precision,
            "answered": _share(given, evaluator.confidence),
            "precision": _share(correct[given], evaluator.confidence),
        }
    if policy.conformal is not None:
        sets = [answer.prediction_set for answer in answers]
        right = [one in members for one, members in zip(references, sets, strict=True)]
        content["sets"] = {
            "coverage": _share(np.array(right, dtype=bool), evaluator.confidence),
            "mean_size": float(np.mean([len(members) for members in sets])) if sets else None,
            "empty": float(np.mean([not members for members in sets])) if sets else None,
        }
    return {**content, "unmet": unmet(policy, spec)}


def _bins(answers: Sequence[Any], correct: Array) -> list[dict[str, Any]]:
    confidence = np.array([answer.confidence for answer in answers], dtype=float)
    return [asdict(one) for one in reliability(confidence, correct)]


def _share(held: Array, confidence: float) -> dict[str, Any] | None:
    """A share of rows with Wilson's interval; None of no rows."""
    if not len(held):
        return None
    intervals = {"share": proportion(int(held.sum()), len(held), confidence)}
    return with_interval(float(held.mean()), intervals, "share")
