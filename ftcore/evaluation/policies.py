"""What a policy is worth on rows that it was not chosen on: probabilities before and after, abstention, coverage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from ftcore.evaluation.evaluate import Array, Evaluator, with_interval
from ftcore.evaluation.intervals import proportion
from ftcore.families.bound import BoundFamily
from ftcore.families.calibration import reliability
from ftcore.families.scoring import Scoring, SupportsCorrectness, SupportsPolicy
from ftcore_runtime.decoders.base import Decoder
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.policy import PLAIN


def without_policy(family: BoundFamily) -> BoundFamily:
    """The family with scores as the model gives them."""
    scoring = family.scoring
    return family.with_fitted(scoring.without_policy()) if isinstance(scoring, SupportsPolicy) else family


def notes_of(scoring: Scoring[Any, Any]) -> Sequence[str]:
    """What of the policy the validation rows gave no reason for, a sentence each."""
    return scoring.notes if isinstance(scoring, SupportsPolicy) else ()


def with_and_without_policy(
    pipeline: Pipeline, inputs: Sequence[Any], top_k: int | None
) -> tuple[Sequence[Any], Sequence[Any]]:
    """Answers of a pipeline, and those without its policy where that has a temperature, of one run of the graphs."""
    decoder = pipeline.decoder
    if decoder.policy.temperature == 1 or not inputs:
        return pipeline.predict(inputs, top_k=top_k), ()
    outputs, answers = pipeline.respond(inputs, top_k=top_k)
    prepared = decoder.prepare(inputs, pipeline.encoder)
    return answers, decoder.without_policy().decode(outputs, prepared, top_k)


def measure_policy(
    evaluator: Evaluator,
    decoder: Decoder,
    references: Sequence[Any],
    answers: Sequence[Any],
    measured: Mapping[str, Any],
    without: Sequence[Any],
    groups: Array | None,
    notes: Sequence[str] = (),
) -> dict[str, Any]:
    """As metrics.json has it; empty where nothing was asked and nothing chosen.

    Args:
        decoder: with the policy.
        answers: of it.
        measured: metric -> what they are worth, as metrics.json has it.
        without: answers to the same rows without it; any, or none, where it has no temperature.
        groups: of these rows; see `groups_of`.
        notes: of the answers that the policy was chosen on; see `notes_of`.
    """
    scoring, spec, policy = evaluator.family.scoring, evaluator.family.spec.policy, decoder.policy
    if not isinstance(scoring, SupportsPolicy):
        return {}
    if policy == PLAIN and not notes and spec.target_precision is None:
        return {}
    correct = scoring.correct(references, answers) if isinstance(scoring, SupportsCorrectness) else None
    content: dict[str, Any] = policy.to_json()
    if policy.temperature != 1.0:
        content["before"] = evaluator.probabilities(references, without, groups)
        content["after"] = {name: measured[name] for name in content["before"]}
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
    if spec.target_precision is not None and scoring.precision_metrics:
        got = {
            name: evaluator.metric(name, references, answers, groups) for name in scoring.precision_metrics
        }
        content["thresholds"] = {"target_precision": spec.target_precision, **got}
    return {**content, "notes": list(notes), "unmet": scoring.unmet(decoder)}


def _bins(answers: Sequence[Any], correct: Array) -> list[dict[str, Any]]:
    confidence = np.array([answer.confidence for answer in answers], dtype=float)
    return [asdict(one) for one in reliability(confidence, correct)]


def _share(held: Array, confidence: float) -> dict[str, Any] | None:
    """A share of rows with Wilson's interval; None of no rows."""
    if not len(held):
        return None
    intervals = {"share": proportion(int(held.sum()), len(held), confidence)}
    return with_interval(float(held.mean()), intervals, "share")
