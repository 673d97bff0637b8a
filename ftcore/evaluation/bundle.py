"""A bundle measured on labelled rows, without torch: what it answers, by the code that measures a run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.data.labelled import read_labelled
from ftcore.data.perturbation import changes_of
from ftcore.data.rows import Counts
from ftcore.data.tables import Split
from ftcore.evaluation.evaluate import Array, Evaluation, groups_of, prediction_lines
from ftcore.evaluation.invariance import answers_that_change, measure_invariance
from ftcore.evaluation.measurement import Measurement
from ftcore.evaluation.policies import measure_policy, with_and_without_policy
from ftcore.evaluation.slices import is_linear, measure_slices, members_of, slices_below
from ftcore.evaluation.verdict import doubts
from ftcore.families.reader import Reader
from ftcore.spec.sections import SliceSpec, Source
from ftcore_runtime.pipeline import Pipeline


@dataclass(frozen=True)
class MeasuredBundle:
    """What a bundle is worth on some rows.

    Args:
        rows: as they were read.
        counts: of the source.
        found: answers, metrics and intervals.
        policy: what that of the bundle is worth on them; empty without one.
        members: name of each slice -> bool [rows]; None without slices.
        slices: measured, the worst first.
        invariance: of each check that the bundle has, see `measure_invariance`.
        unmet: what of `checks.slices` and `checks.invariance` is not met, a sentence each.
        warnings: what is plainly wrong with the answers, and what makes the figures uncertain.
        reader: that read them.
    """

    rows: Split
    counts: Counts
    found: Evaluation
    policy: dict[str, Any]
    members: Mapping[str, Array] | None
    slices: list[dict[str, Any]]
    invariance: list[dict[str, Any]]
    unmet: list[str]
    warnings: list[str]
    reader: Reader[Any, Any]

    def to_json(self) -> dict[str, Any]:
        """Like a split of metrics.json."""
        policy = {"policy": self.policy} if self.policy else {}
        slices = {} if self.members is None else {"slices": self.slices}
        slices |= {"invariance": self.invariance} if self.invariance else {}
        return {**self.found.to_json(), **policy, **slices, "warnings": self.warnings}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Like those of predictions.*.jsonl."""
        return prediction_lines(self.reader, self.rows, self.found, self.members)


def measure_bundle(
    pipeline: Pipeline, measurement: Measurement, source: Source, folder: Path
) -> MeasuredBundle:
    """Answer the rows of a source, and measure the answers.

    Args:
        folder: where the rows are kept while they are used.

    Raises:
        DataError: the source cannot be read as the task reads its rows.
    """
    family = measurement.family
    reader, scoring, fitted = family.reader, family.scoring, family.fitted
    assert fitted is not None
    rows, counts = read_labelled(reader, fitted, source, folder, measurement.task.hooks)
    inputs, references = reader.inputs(rows.table), reader.references(rows.table)
    groups, evaluator = groups_of(reader, rows.table), measurement.evaluator
    answers, plain = with_and_without_policy(pipeline, inputs, scoring.top_k)
    found = evaluator.measure(references, answers, groups)
    metrics = found.to_json()["metrics"]
    policy = measure_policy(evaluator, pipeline.decoder, references, answers, metrics, plain, groups)
    slices, warnings = _trusted(family.spec.slices)
    members = members_of(slices, reader, rows)
    measured = measure_slices(evaluator, measurement.metric, members or {}, found, groups)
    invariance = measure_invariance(
        changes_of(family.spec.checks.invariance, folder),
        reader,
        rows,
        answers,
        lambda table: pipeline.predict(reader.inputs(table), top_k=scoring.top_k),
        evaluator.confidence,
    )
    return MeasuredBundle(
        rows,
        counts,
        found,
        policy,
        members,
        measured,
        invariance,
        slices_below(evaluator, measurement.metric, measured) + answers_that_change(invariance),
        [*doubts(scoring, found), *warnings],
        reader,
    )


def _trusted(slices: Sequence[SliceSpec]) -> tuple[list[SliceSpec], list[str]]:
    """The slices of a bundle, and a sentence for each that is left out: a search with its expression may never end."""
    kept = [one for one in slices if one.pattern is None or is_linear(one.pattern)]
    why = "of a bundle only expressions are searched for whose time is known to be linear"
    return kept, [f"the slice `{one.name}` is left out: {why}" for one in slices if one not in kept]
