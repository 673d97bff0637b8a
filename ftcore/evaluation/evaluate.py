"""One split measured: every metric with its interval, and one line a row for predictions.jsonl."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.evaluation.bootstrap import bootstrap
from ftcore.families.bound import BoundFamily
from ftcore.families.reader import Reader
from ftcore.families.scoring import Scorer, Scores


@dataclass(frozen=True)
class Evaluation:
    """Answers of one split and what they are worth.

    Args:
        answers: one a row, as the bundle would give them.
        references: the right ones.
        scores: metric -> value, and details.
        intervals: metric -> {"low", "high"}; empty without bootstrap.
    """

    answers: Sequence[Any]
    references: Sequence[Any]
    scores: Scores
    intervals: Mapping[str, Mapping[str, float]]

    def to_json(self) -> dict[str, Any]:
        """As metrics.json has it."""
        metrics = {
            name: {"value": value, **self.intervals.get(name, {})}
            for name, value in self.scores.values.items()
        }
        return {"rows": len(self.references), "metrics": metrics, **self.scores.details}


class Evaluator:
    """The metrics of a family and of the plugin's hook `ftcore_metrics`, together.

    Args:
        hooks: the plugin's hooks (a pluggy hook relay).
    """

    def __init__(self, family: BoundFamily, hooks: Any) -> None:  # noqa: ANN401 (pluggy's relay has no type)
        self.family = family
        self.hooks = hooks

    def values(self, references: Sequence[Any], answers: Sequence[Any]) -> dict[str, float]:
        """Every metric, without intervals."""
        return {
            **self.family.scoring.score(references, answers).values,
            **self._from_hook(references, answers),
        }

    def measure(
        self, references: Sequence[Any], answers: Sequence[Any], *, resamples: int, confidence: float
    ) -> Evaluation:
        """Every metric with its bootstrap interval."""
        scores = self.family.scoring.score(references, answers)
        extra = self._from_hook(references, answers)
        scorer = self._scorer(references, answers)
        intervals = self._intervals(scorer, references, resamples, confidence)
        return Evaluation(answers, references, Scores({**scores.values, **extra}, scores.details), intervals)

    def gain(
        self,
        references: Sequence[Any],
        before: Sequence[Any],
        after: Sequence[Any],
        *,
        resamples: int,
        confidence: float,
    ) -> dict[str, dict[str, float]]:
        """Metric -> its `value` for the answers `after` less that for those `before`, and that difference's interval.

        Both answer the same rows, and are drawn together: what makes a row hard is in both, and goes out.
        """
        earlier, later = self._scorer(references, before), self._scorer(references, after)

        def difference(rows: np.ndarray) -> dict[str, float]:
            lower, higher = earlier(rows), later(rows)
            return {name: value - lower[name] for name, value in higher.items()}

        intervals = self._intervals(difference, references, resamples, confidence)
        whole = difference(np.arange(len(references)))
        return {name: {"value": value, **intervals.get(name, {})} for name, value in whole.items()}

    def _scorer(self, references: Sequence[Any], answers: Sequence[Any]) -> Scorer:
        own = self.family.scoring.scorer(references, answers)
        if not self.hooks.ftcore_metrics.get_hookimpls():
            return own

        def scorer(rows: np.ndarray) -> Mapping[str, float]:
            drawn = self._from_hook([references[i] for i in rows], [answers[i] for i in rows])
            return {**own(rows), **drawn}

        return scorer

    def _intervals(
        self, scorer: Scorer, references: Sequence[Any], resamples: int, confidence: float
    ) -> dict[str, dict[str, float]]:
        bounds = bootstrap(scorer, len(references), resamples, confidence)
        return {name: {"low": one.low, "high": one.high} for name, one in bounds.items()}

    def _from_hook(self, references: Sequence[Any], answers: Sequence[Any]) -> dict[str, float]:
        found: dict[str, float] = {}
        if not self.hooks.ftcore_metrics.get_hookimpls():
            return found
        plain, compared = self.family.scoring.comparable(references, answers)
        for values in self.hooks.ftcore_metrics(
            spec=self.family.spec, references=plain, answers=compared, decoded=answers
        ):
            found.update({name: float(value) for name, value in values.items()})
        return found


def prediction_lines(
    reader: Reader[Any, Any], rows: pa.Table, evaluation: Evaluation
) -> Iterator[dict[str, Any]]:
    """What each row was, what was right and what was answered."""
    inputs = reader.inputs(rows)
    for given, reference, answer in zip(inputs, evaluation.references, evaluation.answers, strict=True):
        yield {"input": given, "reference": reference, "answer": answer.to_json()}
