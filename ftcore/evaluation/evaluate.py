"""One split measured: every metric with its interval, and one line a row for predictions.jsonl."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.data.tables import Split
from ftcore.evaluation.intervals import Interval, bootstrap, percentiles, proportion, reflected
from ftcore.evaluation.ranking import ranking_sentence
from ftcore.evaluation.scorers import Difference, Only
from ftcore.families.bound import BoundFamily
from ftcore.families.reader import Reader
from ftcore.families.scoring import (
    Scorer,
    Scores,
    SupportsClasses,
    SupportsCorrectness,
    SupportsProbabilities,
)

Array = np.ndarray[Any, np.dtype[Any]]

#: Share of the rows that are alone in their group, below which rows count as dependent and groups are drawn.
_ALONE = 0.95


@dataclass(frozen=True)
class Evaluation:
    """Answers of one split and what they are worth.

    Args:
        answers: one a row, as the bundle would give them.
        references: the right ones.
        scores: metric -> value, and details.
        intervals: metric -> interval, None where it has none; empty without resamples.
        correct: whether each answer is right, bool [rows]; None where answers are not simply right or wrong.
    """

    answers: Sequence[Any]
    references: Sequence[Any]
    scores: Scores
    intervals: Mapping[str, Interval | None] = field(default_factory=dict)
    correct: Array | None = None

    def to_json(self) -> dict[str, Any]:
        """As metrics.json has it."""
        metrics = {
            name: with_interval(value, self.intervals, name) for name, value in self.scores.values.items()
        }
        ranking = ranking_sentence(metrics)
        says = {} if ranking is None else {"ranking": ranking}
        return {"rows": len(self.references), "metrics": metrics, **self.scores.details, **says}


def with_interval(value: float, intervals: Mapping[str, Interval | None], name: str) -> dict[str, Any]:
    """A metric as metrics.json has it: `low` and `high` are null where it has none, absent without resamples."""
    if name not in intervals:
        return {"value": value}
    found = intervals[name]
    return {"value": value, "low": found.low if found else None, "high": found.high if found else None}


class Evaluator:
    """The metrics of a family and of the plugin's hook `ftcore_metrics`, together.

    Args:
        hooks: the plugin's hooks (a pluggy hook relay).
        resamples: behind each interval; 0: no intervals.
        confidence: of the intervals.
    """

    def __init__(
        self,
        family: BoundFamily,
        hooks: Any,  # noqa: ANN401 (pluggy's relay has no type)
        *,
        resamples: int = 0,
        confidence: float = 0.95,
    ) -> None:
        self.family = family
        self.hooks = hooks
        self.resamples = resamples
        self.confidence = confidence

    def values(self, references: Sequence[Any], answers: Sequence[Any]) -> dict[str, float]:
        """Every metric, without intervals."""
        return {
            **self.family.scoring.score(references, answers).values,
            **self._from_hook(references, answers),
        }

    def measure(
        self, references: Sequence[Any], answers: Sequence[Any], groups: Array | None = None
    ) -> Evaluation:
        """Every metric with its interval.

        Args:
            groups: int64 [rows]; rows of a group depend on each other. See `groups_of`.
        """
        scoring = self.family.scoring
        scores = scoring.score(references, answers)
        extra = self._from_hook(references, answers)
        correct = scoring.correct(references, answers) if isinstance(scoring, SupportsCorrectness) else None
        intervals: dict[str, Interval | None] = {}
        if self.resamples and len(references):
            intervals = self._resampled(scoring.scorer(references, answers), references, groups)
            if extra:
                intervals |= self._of_plugin(self._plugin_scorer(references, answers), references, groups)
            if isinstance(scoring, SupportsCorrectness) and correct is not None and groups is None:
                share = proportion(int(correct.sum()), len(correct), self.confidence)
                intervals |= dict.fromkeys(scoring.proportions, share)
        values = {**scores.values, **extra}
        return Evaluation(answers, references, Scores(values, scores.details), intervals, correct)

    def metric(
        self, name: str, references: Sequence[Any], answers: Sequence[Any], groups: Array | None = None
    ) -> dict[str, Any]:
        """One metric with its interval, as metrics.json has it.

        Raises:
            KeyError: there is none of this name.
        """
        scoring = self.family.scoring
        own = Only(scoring.scorer(references, answers), frozenset({name}))
        value = {**scoring.score(references, answers).values, **self._from_hook(references, answers)}[name]
        if not self.resamples:
            return {"value": value}
        intervals: dict[str, Interval | None] = {name: None}
        if isinstance(scoring, SupportsCorrectness) and name in scoring.proportions and groups is None:
            correct = scoring.correct(references, answers)
            if correct is not None:
                intervals[name] = proportion(int(correct.sum()), len(correct), self.confidence)
        elif name in own(np.arange(len(references))):
            intervals |= self._resampled(own, references, groups)
        return with_interval(value, intervals, name)

    def probabilities(
        self, references: Sequence[Any], answers: Sequence[Any], groups: Array | None = None
    ) -> dict[str, dict[str, Any]]:
        """The metrics of probabilities alone, as metrics.json has them; empty where the family has none."""
        scoring = self.family.scoring
        if not isinstance(scoring, SupportsProbabilities) or not len(references):
            return {}
        scorer = Only(scoring.scorer(references, answers), scoring.of_probabilities)
        values = scorer(np.arange(len(references)))
        intervals = self._resampled(scorer, references, groups) if values and self.resamples else {}
        return {name: with_interval(value, intervals, name) for name, value in values.items()}

    def gain(
        self,
        references: Sequence[Any],
        before: Sequence[Any],
        after: Sequence[Any],
        groups: Array | None = None,
        only: str | None = None,
    ) -> dict[str, dict[str, Any]]:
        """Metric -> its `value` for the answers `after` less that for those `before`, and that difference's interval.

        Both answer the same rows, and are drawn together: what makes a row hard is in both, and goes out.

        Args:
            only: the one metric that is wanted, which takes a third of the time of all.
        """
        scoring, everything = self.family.scoring, np.arange(len(references))
        own: Scorer = Difference(scoring.scorer(references, before), scoring.scorer(references, after))
        if only is not None:
            own = Only(own, frozenset({only}))
        values = dict(own(everything))
        intervals = self._resampled(own, references, groups)
        if self._has_plugin_metrics:
            theirs = Difference(
                self._plugin_scorer(references, before), self._plugin_scorer(references, after)
            )
            values |= theirs(everything)
            intervals |= self._of_plugin(theirs, references, groups)
        return {name: with_interval(value, intervals, name) for name, value in values.items()}

    def _resampled(
        self, scorer: Scorer, references: Sequence[Any], groups: Array | None
    ) -> dict[str, Interval | None]:
        """Averages over classes are drawn within the classes, so that no resample lacks one; groups come first."""
        scoring, rows = self.family.scoring, len(references)
        if not self.resamples or not rows:
            return {}
        names = scorer(np.arange(rows)).keys()
        strata, within = None, frozenset[str]()
        if groups is None and isinstance(scoring, SupportsClasses):
            strata = scoring.classes(references)
            within = scoring.class_averages & names if strata is not None else within
        biased = scoring.biased & names if isinstance(scoring, SupportsProbabilities) else frozenset[str]()
        settings = (rows, self.resamples, self.confidence)
        found: dict[str, Interval | None] = {}
        if plain := names - within - biased:
            found |= bootstrap(Only(scorer, plain), *settings, clusters=groups)
        if biased:
            found |= reflected(Only(scorer, biased), *settings, clusters=groups)
        if within:
            found |= bootstrap(Only(scorer, within), *settings, strata=strata)
        return found

    def _of_plugin(
        self, scorer: Scorer, references: Sequence[Any], groups: Array | None
    ) -> dict[str, Interval | None]:
        """A plugin's metrics may cost anything: they are asked once a resample, and not once more for each row."""
        return percentiles(scorer, len(references), self.resamples, self.confidence, clusters=groups)

    def _plugin_scorer(self, references: Sequence[Any], answers: Sequence[Any]) -> Scorer:
        return lambda rows: self._from_hook([references[i] for i in rows], [answers[i] for i in rows])

    @property
    def _has_plugin_metrics(self) -> bool:
        return bool(self.hooks.ftcore_metrics.get_hookimpls())

    def _from_hook(self, references: Sequence[Any], answers: Sequence[Any]) -> dict[str, float]:
        found: dict[str, float] = {}
        if not self._has_plugin_metrics:
            return found
        plain, compared = self.family.scoring.comparable(references, answers)
        for values in self.hooks.ftcore_metrics(
            spec=self.family.spec, references=plain, answers=compared, decoded=answers
        ):
            found.update({name: float(value) for name, value in values.items()})
        return found


def groups_of(reader: Reader[Any, Any], rows: pa.Table) -> Array | None:
    """Group of each row, int64 [rows], where rows depend on each other: questions of one article, texts that recur.

    None where all but a few rows are alone in theirs.
    """
    if not rows.num_rows:
        return None
    keys = reader.groups(rows).combine_chunks().dictionary_encode()
    if len(keys.dictionary) >= _ALONE * rows.num_rows:
        return None
    found: Array | None = keys.indices.to_numpy(zero_copy_only=False).astype(np.int64)
    return found


def prediction_lines(
    reader: Reader[Any, Any], rows: Split, evaluation: Evaluation, slices: Mapping[str, Array] | None = None
) -> Iterator[dict[str, Any]]:
    """What each row was and where it is from, what was right, what was answered, and whether that is right.

    Args:
        slices: name -> bool [rows]; lines name the slices that their row is in. None where there are none.
    """
    inputs = reader.inputs(rows.table)
    kept = [None] * len(inputs) if rows.kept is None else rows.kept.to_pylist()
    correct = [None] * len(inputs) if evaluation.correct is None else evaluation.correct.tolist()
    for index, (location, given, columns, reference, answer, right) in enumerate(
        zip(
            rows.locations.to_pylist(),
            inputs,
            kept,
            evaluation.references,
            evaluation.answers,
            correct,
            strict=True,
        )
    ):
        line = {"row": location, "input": given, "reference": reference, "answer": answer.to_json()}
        line["summary"] = answer.summary
        line |= {} if columns is None else {"kept": json.loads(columns)}
        if slices is not None:
            line["slices"] = [name for name, members in slices.items() if members[index]]
        line |= {} if right is None else {"correct": right}
        yield line if answer.confidence is None else {**line, "confidence": answer.confidence}
