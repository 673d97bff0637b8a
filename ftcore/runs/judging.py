"""What the fine-tuned model is worth on the test rows: against baselines, and how far the figures carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from ftcore.evaluation.evaluate import Array, Evaluation, Evaluator
from ftcore.evaluation.verdict import Gain, doubts, hardest
from ftcore.families.scoring import SupportsBaselines


@dataclass(frozen=True)
class Judgement:
    """What is known of a model beyond its own figures.

    Args:
        baselines: name -> `metrics` of its answers, and the `gain` of the model over it, as metrics.json has them.
        warnings: what is plainly wrong with the answers, and what makes the figures uncertain.
        verdict: `outcome` (better, unclear, worse) and `text` against the baseline that is hardest to beat; None
            where there is none.
    """

    baselines: dict[str, Any]
    warnings: list[str]
    verdict: dict[str, str] | None

    @property
    def useless(self) -> str | None:
        """The verdict, where it says that the model is not clearly better than a baseline; else None."""
        if self.verdict is None or self.verdict["outcome"] == "better":
            return None
        return self.verdict["text"]


def judge(
    evaluator: Evaluator,
    metric: str,
    train: pa.Table,
    rows: pa.Table,
    measured: Evaluation,
    groups: Array | None,
) -> Judgement:
    """Compare answers with those of the family's baselines to the same rows, in pairs.

    Args:
        metric: the monitored one.
        train: what the model, and so the baselines, learnt from.
        rows: what was measured.
        groups: of these rows; see `groups_of`.
    """
    scoring = evaluator.family.scoring
    answered: Mapping[str, Sequence[Any]] = {}
    if isinstance(scoring, SupportsBaselines) and rows.num_rows:
        answered = scoring.baselines(train, rows)
    return judge_answers(evaluator, metric, answered, measured, groups)


def judge_answers(
    evaluator: Evaluator,
    metric: str,
    answered: Mapping[str, Sequence[Any]],
    measured: Evaluation,
    groups: Array | None,
) -> Judgement:
    """The same for answers of baselines that are there.

    Args:
        answered: name of each baseline, as a sentence goes on with it -> its answers to the rows that were measured.
    """
    scoring = evaluator.family.scoring
    baselines: dict[str, Any] = {}
    gains: list[Gain] = []
    sign = 1 if scoring.higher_is_better(metric) else -1
    for name, answers in answered.items():
        values = evaluator.values(measured.references, answers)
        gain = evaluator.gain(measured.references, answers, measured.answers, groups)
        metrics = {key: {"value": value} for key, value in values.items()}
        baselines[name] = {"metrics": metrics, "gain": gain}
        gains.append(_gain(name, gain[metric], sign))
    verdict = None
    if gains:
        hard = hardest(gains)
        said = hard.sentence(metric, scoring.point(metric), resampled=evaluator.resamples > 0)
        verdict = {"outcome": hard.outcome, "text": said}
    return Judgement(baselines, doubts(scoring, measured), verdict)


def _gain(name: str, found: dict[str, Any], sign: int) -> Gain:
    """The gain in the sense that more is better."""
    value, low, high = found["value"], found.get("low"), found.get("high")
    if low is None or high is None:
        return Gain(name, sign * value, None, None)
    low, high = sorted((sign * low, sign * high))
    return Gain(name, sign * value, low, high)
