"""What every measurement of a run shares: rows, metrics, the metric that decides, and outputs to be measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftcore.data import Splits
from ftcore.data.features import FeatureStore
from ftcore.data.tables import Split
from ftcore.evaluation.evaluate import Evaluator, groups_of
from ftcore.families.bound import BoundFamily
from ftcore.families.tuning import tuned
from ftcore.plugins import LoadedTask
from ftcore.spec.sections import Spec

#: What a model responds for some rows: name -> float32 [features, ...].
Outputs = Mapping[str, np.ndarray]
#: The rows of a split as the model reads them.
FeaturesOf = Callable[[Split], FeatureStore]


def monitored_metric(spec: Spec, task: LoadedTask, family: BoundFamily) -> str:
    """Name of the metric that picks the best of several: the spec's, the task's or the family's."""
    return spec.evaluation.metric or task.task.metric or family.scoring.default_metric


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


@dataclass(frozen=True)
class HeldOut:
    """Rows that were held out, and what models that had not seen them make of them.

    Args:
        rows: the rows.
        features: as the model reads them.
        outputs: of all features, in their order.
        how: where the outputs are from, for reports, if not from the model that the run keeps.
    """

    rows: Split
    features: FeatureStore
    outputs: Outputs
    how: str | None = None

    def tuned(self, family: BoundFamily) -> BoundFamily:
        """The family with the thresholds that are best on these rows."""
        return tuned(family, self.outputs, self.features, self.rows.table)
