"""What a variant has to meet: `export.tolerance` against torch, and `export.gates`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ftcore.families.scoring import Scoring
from ftcore.runs.gates import Measured, check, drop
from ftcore.spec.export import ExportSpec, GatesSpec
from ftcore_export.parity import Parity


@dataclass(frozen=True)
class Criteria:
    """The criteria of one export.

    Args:
        spec: the section `export`.
        metric: name of the monitored metric.
        scoring: knows which way a metric is better.
    """

    spec: ExportSpec
    metric: str
    scoring: Scoring[Any, Any]

    @property
    def max_metric_drop(self) -> float | None:
        """Points that a variant may lose against fp32; None where any loss passes."""
        return (self.spec.chosen_by or GatesSpec()).max_metric_drop

    def value(self, measured: Measured) -> float:
        """The monitored metric on the validation rows."""
        value: float = measured.validation["metrics"][self.metric]["value"]
        return value

    def dropped(self, fp32: Measured, value: float) -> float:
        """Points of the monitored metric on validation that `value` lies below fp32's."""
        return drop(
            self.metric,
            self.value(fp32),
            value,
            higher_is_better=self.scoring.higher_is_better(self.metric),
            point=self.scoring.point(self.metric),
        )

    def failures(self, kind: str, measured: Measured, before: Mapping[str, Measured]) -> list[str]:
        """What a variant does not meet, a sentence each.

        Args:
            before: the variants that were measured earlier; with fp32 among them where there are gates.
        """
        failures = self.over_tolerance(kind, measured.parity)
        if gates := self.spec.chosen_by:
            dropped = 0.0 if kind == "fp32" else self.dropped(before["fp32"], self.value(measured))
            better = self.scoring.higher_is_better
            failures += check(gates, measured, metric=self.metric, dropped=dropped, higher_is_better=better)
        return failures

    def over_tolerance(self, kind: str, parity: Parity) -> list[str]:
        """What of `export.tolerance` a variant does not meet, a sentence each."""
        tolerance = self.spec.tolerance
        allowed = tolerance.flips if kind == "fp32" else tolerance.int8_flips
        failures = []
        if kind == "fp32" and not parity.max_abs_diff <= tolerance.logits:
            failures.append(
                f"outputs differ from torch by {parity.max_abs_diff:.3g}; allowed: {tolerance.logits:g}"
            )
        if parity.flip_share > allowed:
            failures.append(
                f"{len(parity.flips)} of {parity.rows} answers flip ({parity.flip_share:.1%}); allowed: {allowed:.1%}"
            )
        return failures
