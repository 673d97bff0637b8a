"""One sentence on what a model is worth: against its baselines, and whether it answers anything at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ftcore.evaluation.evaluate import Evaluation
from ftcore.families.scoring import Scoring, SupportsWarnings

Outcome = Literal["better", "unclear", "worse"]

#: Rows below which a figure is uncertain whatever its interval says, in all and in each class.
FEW_ROWS, FEW_IN_CLASS = 100, 10


@dataclass(frozen=True)
class Gain:
    """What a model gains over a baseline on the same rows, in the metric's own unit, positive where it is better.

    Args:
        value: the paired difference.
        low, high: its interval; None where it has none.
    """

    baseline: str
    value: float
    low: float | None
    high: float | None

    @property
    def outcome(self) -> Outcome:
        """Whether the interval leaves a doubt."""
        if self.low is None or self.high is None:
            return "unclear"
        if self.low > 0:
            return "better"
        return "worse" if self.high < 0 else "unclear"

    def sentence(self, metric: str, point: float, *, resampled: bool = True) -> str:
        """In words: "better than TF-IDF by 6.1 points of accuracy [4.0, 8.3]".

        Args:
            point: of the metric, in its own unit.
            resampled: whether intervals were asked for.
        """
        if self.low is None and self.value == 0:
            return f"no better than {self.baseline}: the same {metric} on these rows"
        if self.low is None or self.high is None:
            why = (
                "too few rows for an interval" if resampled else "no interval, as `evaluation.bootstrap` is 0"
            )
            figure = f"{self.value / point:+.1f} points of {metric}"
            return f"not clearly better than {self.baseline}: {figure}, but {why}"
        value, low, high = (figure / point for figure in (self.value, self.low, self.high))
        figures = f"{abs(value):.1f} points of {metric}"
        if self.outcome == "better":
            return f"better than {self.baseline} by {figures} [{low:.1f}, {high:.1f}]"
        if self.outcome == "worse":
            return f"worse than {self.baseline} by {figures} [{-high:.1f}, {-low:.1f}]"
        return f"not clearly better than {self.baseline}: {value:+.1f} points of {metric} [{low:.1f}, {high:.1f}]"


def hardest(gains: Sequence[Gain]) -> Gain:
    """The gain over the baseline that is hardest to beat: the smallest."""
    return min(gains, key=lambda gain: gain.value)


def doubts(scoring: Scoring[Any, Any], found: Evaluation) -> list[str]:
    """What is plainly wrong with the answers that were measured, and what makes their figures uncertain."""
    support = {one["label"]: one["support"] for one in found.scores.details.get("classes", [])}
    few = warnings_of(len(found.references), support)
    if not isinstance(scoring, SupportsWarnings):
        return few
    return [*scoring.warnings(found.references, found.answers), *few]


def warnings_of(rows: int, support: Mapping[str, int]) -> list[str]:
    """What makes the figures of a split uncertain: few rows, or classes with few of them.

    Args:
        support: rows of each class.
    """
    found = []
    if rows < FEW_ROWS:
        found.append(
            f"{rows} rows are few: the intervals are wide, and say nothing of inputs unlike these;"
            f" measure on {FEW_ROWS} rows or more, or give `data.cross_validation: 5`"
        )
    rare = sorted((count, label) for label, count in support.items() if count < FEW_IN_CLASS)
    if rare:
        shown = ", ".join(f"`{label}` ({count})" for count, label in rare[:5])
        more = f" and {len(rare) - 5} more" if len(rare) > 5 else ""
        found.append(f"fewer than {FEW_IN_CLASS} rows to measure {shown}{more}: their figures are uncertain")
    return found
