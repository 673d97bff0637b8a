"""What every measurement of a run shares: rows, metrics, and the metric that decides."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.data import Splits
from ftcore.evaluation.evaluate import Evaluator, groups_of
from ftcore.families.bound import BoundFamily


@dataclass(frozen=True)
class EvaluationInputs:
    """Rows and metrics to measure models with.

    Args:
        splits: the run's rows.
        evaluator: metrics of family and plugin.
        metric: name of the monitored one.
        batch_size: rows in a forward pass.
        saw_validation: whether the model was trained on the validation rows, too, in the end.
    """

    splits: Splits
    evaluator: Evaluator
    metric: str
    batch_size: int
    saw_validation: bool = False

    @property
    def family(self) -> BoundFamily:
        """The family, with everything that it learnt from the rows."""
        return self.evaluator.family

    def measure(self, split: str, answers: Sequence[Any]) -> dict[str, Any]:
        """Metrics of some answers to the rows of a split, as JSON; with intervals for the test rows."""
        rows, reader = self.splits[split].table, self.family.reader
        references = reader.references(rows)
        if split == "test":
            found = self.evaluator.measure(references, answers, groups_of(reader, rows))
            return {"rows": rows.num_rows, "metrics": found.to_json()["metrics"]}
        values = self.evaluator.values(references, answers)  # gates read values alone
        metrics = {name: {"value": value} for name, value in values.items()}
        return {"rows": rows.num_rows, "metrics": metrics} | (
            {"trained_on": True} if self.saw_validation else {}
        )
