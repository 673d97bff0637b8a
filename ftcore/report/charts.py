"""The charts of a report, as inline SVG in colours that follow the page's theme."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.families.calibration import Bin, risk_coverage
from ftcore.report.content import Curve
from ftcore.report.plot import Line, grid, lines
from ftcore.report.ranking import RankingCurve

Array = np.ndarray[Any, np.dtype[Any]]

_LINES = ("#3b7dd8", "#d9732a", "#2f9e6e")
_MOST_LABELS = 24  # of a confusion matrix that can be read
_MOST_DOTS = 30  # points of a line that each have one
_DIAGONAL = Line([0, 1], [0, 1], dotted=True)
_UNIT, _SHARE = (0.0, 1.0), (0.0, 1.02)  # bounds of an axis; the second leaves room for a line at 1


def curves(name: str, found: Sequence[Curve]) -> str:
    """Lines over the steps of the training; empty where there is nothing to draw."""
    drawn = [
        Line(curve.steps, curve.values, colour, curve.name, marked=len(curve.steps) < _MOST_DOTS)
        for curve, colour in zip([curve for curve in found if curve.steps], _LINES, strict=False)
    ]
    if not drawn:
        return ""
    return lines(f"{name} over the steps of the training", "step", name, drawn, (None, None), (None, None))


def confusion(labels: Sequence[str], counts: Array) -> str:
    """A confusion matrix, references down and answers across; empty where it has too many labels to be read."""
    if len(labels) > _MOST_LABELS:
        return ""
    rows = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    return grid("confusion matrix", "answer", "reference", list(map(_short, labels)), counts, share)


def reliability_diagram(found: Mapping[str, Sequence[Bin]]) -> str:
    """Accuracy against score in bins of as many rows each; on the diagonal, scores mean what they say.

    Args:
        found: name of a line -> its bins.
    """
    drawn = [
        Line(
            [one.score for one in bins],
            [one.accuracy for one in bins],
            colour,
            name if len(found) > 1 else "",
            marked=True,
        )
        for (name, bins), colour in zip(found.items(), _LINES, strict=False)
    ]
    shown = [_DIAGONAL, *drawn]
    return lines("reliability diagram", "score", "share that is right", shown, _UNIT, _SHARE)


def risk_coverage_curve(scores: Array, right: Array) -> str:
    """Share of wrong answers against the share of rows that are answered."""
    coverage, risk = risk_coverage(scores, right)
    shown = np.unique(np.linspace(0, len(coverage) - 1, 200).astype(int))
    drawn = [Line(coverage[shown], risk[shown], _LINES[1])]
    across, up = "share of rows answered", "share of these that is wrong"
    return lines("risk against coverage", across, up, drawn, _SHARE, (0.0, None))


def roc(found: Sequence[RankingCurve]) -> str:
    """Rows with a label that are given it, against rows without it that are; empty where there is nothing to draw."""
    drawn = [
        Line(curve.false_positives, curve.recall, colour, f"{_short(curve.name)}, area {curve.area:.3f}")
        for curve, colour in zip(found, _LINES, strict=False)
    ]
    if not drawn:
        return ""
    across, up = "share given the label wrongly", "share found of those with it"
    return lines("ROC curve", across, up, [_DIAGONAL, *drawn], _SHARE, _SHARE)


def precision_recall(found: Sequence[RankingCurve]) -> str:
    """Rows given a label that have it, against rows with it that are given it; empty likewise."""
    drawn = [
        Line(curve.recall, curve.precision, colour, _short(curve.name))
        for curve, colour in zip(found, _LINES, strict=False)
    ]
    return lines("precision against recall", "recall", "precision", drawn, _SHARE, _SHARE) if drawn else ""


def _short(label: str) -> str:
    return label if len(label) <= 18 else label[:17] + "…"
