"""What a run left behind, read for the report: figures, curves, rows, export, provenance."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from ftcore.audit.findings import Audit
from ftcore.events import read_events
from ftcore.families.reader import input_text
from ftcore.files import read_json, read_json_lines
from ftcore.report.ranking import LabelScores, RankingCurve
from ftcore.runs.folder import RunFolder

_MOST_ROWS = 200_000  # predictions that are read for charts and the worst rows
_WORST = 10

Array = np.ndarray[Any, np.dtype[Any]]


@dataclass(frozen=True)
class Row:
    """One measured row.

    Args:
        where: its file and row, where the run kept it.
        text: the input, fields joined by a line break.
        score: of the answer, 0 to 1; None where answers have none.
    """

    where: str
    text: str
    reference: str
    answer: str
    score: float | None
    right: bool


@dataclass(frozen=True)
class Curve:
    """A figure at some steps of the training."""

    name: str
    steps: Sequence[int]
    values: Sequence[float]


@dataclass(frozen=True)
class Content:
    """A finished run.

    Args:
        record: run.json.
        spec: the spec as written.
        metrics: metrics.json.
        losses, metric: curves of the training loss and of the monitored metric on validation.
        rows: of the test split, in order.
        ranking: curves of the labels' probabilities on the test split.
        audit: of the rows; None where the run made none.
        export: export.json; None where nothing was exported.
        explanations: explanations.json; empty where nothing was explained.
        warnings: what the run warned of.
    """

    path: Path
    record: Mapping[str, Any]
    spec: str
    metrics: Mapping[str, Any]
    losses: Sequence[Curve]
    metric: Sequence[Curve]
    rows: Sequence[Row]
    ranking: Sequence[RankingCurve]
    audit: Audit | None
    export: Mapping[str, Any] | None
    explanations: Mapping[str, Any]
    warnings: Sequence[str]

    @property
    def test(self) -> Mapping[str, Any]:
        """What was measured on the test split."""
        found: Mapping[str, Any] = self.metrics["splits"]["test"]
        return found

    @property
    def worst(self) -> list[Row]:
        """Wrong answers, those that the model was most certain of first."""
        wrong = [row for row in self.rows if not row.right]
        return sorted(wrong, key=lambda row: -(row.score or 0.0))[:_WORST]

    def scores(self) -> tuple[Array, Array] | None:
        """Scores (float [rows]) and whether each answer is right (bool [rows]); None where answers have no score."""
        scored = [(row.score, row.right) for row in self.rows if row.score is not None]
        if not scored:
            return None
        scores, right = zip(*scored, strict=True)
        return np.asarray(scores, dtype=float), np.asarray(right, dtype=bool)


def read_run(folder: RunFolder) -> Content:
    """Read a run that has been evaluated."""
    metrics = folder.metrics()
    metric = metrics["metric"]
    events = read_events(folder.events_file)
    steps = [event for event in events if event["event"] == "step"]
    steps = [event for event in steps if event.get("phase") != "pretraining"]
    # Of several trainings the last one is drawn; what was measured in folds is there for all of them together.
    steps = [event for event in steps if event.get("phase") == "refit"] or steps
    evaluated = [event for event in events if event["event"] == "evaluated" and "phase" not in event]
    scores = LabelScores(metrics["splits"]["test"].get("labels", []))
    rows = []
    for line in islice(read_json_lines(folder.predictions("test")), _MOST_ROWS):
        rows.append(_row(line))
        scores.add(line)
    return Content(
        path=folder.path,
        record=folder.record(),
        spec=(folder.path / "spec.yaml").read_text(encoding="utf-8"),
        metrics=metrics,
        losses=[
            Curve("training loss", [event["step"] for event in steps], [event["loss"] for event in steps]),
            _curve("validation loss", evaluated, "loss"),
        ],
        metric=[_curve(metric, evaluated, metric)],
        rows=rows,
        ranking=scores.curves(),
        audit=Audit.from_json(read_json(folder.audit_file)) if folder.audit_file.exists() else None,
        export=folder.exported(),
        explanations=read_json(folder.explanations_file) if folder.explanations_file.exists() else {},
        warnings=list(dict.fromkeys(event["message"] for event in events if event["event"] == "warning")),
    )


def _curve(name: str, evaluated: Sequence[Mapping[str, Any]], metric: str) -> Curve:
    points = [(event["step"], event["metrics"][metric]) for event in evaluated if metric in event["metrics"]]
    return Curve(name, [step for step, _ in points], [value for _, value in points])


def _row(line: Mapping[str, Any]) -> Row:
    return Row(
        where=line.get("row", ""),  # this and the summary are not in runs from before
        text=input_text(line["input"]),
        reference=shown(line["reference"]),
        answer=line.get("summary") or json.dumps(line["answer"], ensure_ascii=False),
        score=line.get("confidence"),
        right=line.get("correct", True),
    )


def shown(reference: Any) -> str:  # noqa: ANN401 (as JSON has it)
    """What was right; of a record its texts."""
    if isinstance(reference, list):
        return ", ".join(map(shown, reference)) or "(none)"
    if isinstance(reference, Mapping):
        first, *others = (value for value in reference.values() if isinstance(value, str))
        return f"{first} ({', '.join(others)})" if others else first
    return f"{reference:.4g}" if isinstance(reference, float) else str(reference)
