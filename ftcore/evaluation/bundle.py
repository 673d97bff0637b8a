"""A bundle measured on labelled rows, without torch: what it answers, by the code that measures a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.data.labelled import read_labelled
from ftcore.data.rows import Counts
from ftcore.data.tables import Split
from ftcore.evaluation.evaluate import Evaluation, groups_of, prediction_lines
from ftcore.evaluation.measurement import Measurement
from ftcore.evaluation.policies import measure_pipeline_policy
from ftcore.evaluation.verdict import doubts
from ftcore.families.reader import Reader
from ftcore.spec.sections import Source
from ftcore_runtime.pipeline import Pipeline


@dataclass(frozen=True)
class MeasuredBundle:
    """What a bundle is worth on some rows.

    Args:
        rows: as they were read.
        counts: of the source.
        found: answers, metrics and intervals.
        policy: what that of the bundle is worth on them; empty without one.
        warnings: what is plainly wrong with the answers, and what makes the figures uncertain.
        reader: that read them.
    """

    rows: Split
    counts: Counts
    found: Evaluation
    policy: dict[str, Any]
    warnings: list[str]
    reader: Reader[Any, Any]

    def to_json(self) -> dict[str, Any]:
        """Like a split of metrics.json."""
        policy = {"policy": self.policy} if self.policy else {}
        return {**self.found.to_json(), **policy, "warnings": self.warnings}

    def lines(self) -> Iterator[dict[str, Any]]:
        """Like those of predictions.*.jsonl."""
        return prediction_lines(self.reader, self.rows.table, self.rows.locations.to_pylist(), self.found)


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
    answers = pipeline.predict(inputs, top_k=scoring.top_k)
    found = evaluator.measure(references, answers, groups)
    policy = measure_pipeline_policy(evaluator, pipeline, inputs, references, answers, groups)
    return MeasuredBundle(rows, counts, found, policy, doubts(scoring, found), reader)
