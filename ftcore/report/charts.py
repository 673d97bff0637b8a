"""Charts as inline SVG, drawn by matplotlib: no script, no font file, colours that follow the page's theme."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ftcore.families.calibration import Bin, risk_coverage
from ftcore.report.content import Curve
from ftcore.report.ranking import RankingCurve

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Array = np.ndarray[Any, np.dtype[Any]]

#: What is imported below where it is needed, half a second's work: for a caller who has something else to wait for.
HEAVY = ("matplotlib.backends.backend_svg", "matplotlib.projections")
_INK = "#0a0b0c"  # becomes the page's own colour of text
_LINES = ("#3b7dd8", "#d9732a", "#2f9e6e")
_MOST_LABELS = 24  # of a confusion matrix that can be read
#: Inches: an axis's name with the marks at it, a letter and a line of its numbers, the sides without either.
_LABEL, _LETTER, _LINE, _MARGIN = 0.32, 0.07, 0.12, 0.12


def curves(name: str, found: Sequence[Curve]) -> str:
    """Lines over the steps of the training; empty where there is nothing to draw."""
    drawn = [curve for curve in found if curve.steps]
    if not drawn:
        return ""
    figure, axes = _axes("step", name)
    for curve, colour in zip(drawn, _LINES, strict=False):
        marker = "o" if len(curve.steps) < 30 else ""
        axes.plot(curve.steps, curve.values, color=colour, label=curve.name, marker=marker, markersize=3)
    axes.legend(frameon=False, labelcolor=_INK)
    return _svg(figure, f"{name} over the steps of the training")


def confusion(labels: Sequence[str], counts: Array) -> str:
    """A confusion matrix, references down and answers across; empty where it has too many labels to be read."""
    if len(labels) > _MOST_LABELS:
        return ""
    side = 2.4 + 0.36 * len(labels)
    figure, axes = _new_axes((side + 0.6, side))
    _name(axes, "answer", "reference")
    figure.set_layout_engine("constrained")  # room for names of any length, aslant
    rows = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, rows, out=np.zeros(counts.shape), where=rows > 0)
    axes.pcolormesh(share, cmap="Blues", vmin=0, vmax=1)  # in vectors; imshow would embed a picture
    axes.invert_yaxis()
    axes.set_aspect("equal")
    names = [_short(label) for label in labels]
    middles = np.arange(len(labels)) + 0.5
    axes.set_xticks(middles, names, rotation=60, ha="right")
    axes.set_yticks(middles, names)
    for row, column in zip(*np.nonzero(counts), strict=True):
        shade = "white" if share[row, column] > 0.5 else "#102030"
        text = str(int(counts[row, column]))
        axes.text(column + 0.5, row + 0.5, text, ha="center", va="center", color=shade, fontsize=8)
    return _svg(figure, "confusion matrix")


def reliability_diagram(found: Mapping[str, Sequence[Bin]]) -> str:
    """Accuracy against score in bins of as many rows each; on the diagonal, scores mean what they say.

    Args:
        found: name of a line -> its bins.
    """
    figure, axes = _axes("score", "share that is right")
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    for (name, bins), colour in zip(found.items(), _LINES, strict=False):
        scores, shares = [one.score for one in bins], [one.accuracy for one in bins]
        axes.plot(scores, shares, color=colour, marker="o", markersize=4, label=name)
    if len(found) > 1:
        axes.legend(frameon=False, labelcolor=_INK)
    axes.set_xlim(0, 1)
    axes.set_ylim(0, 1.02)
    return _svg(figure, "reliability diagram")


def risk_coverage_curve(scores: Array, right: Array) -> str:
    """Share of wrong answers against the share of rows that are answered."""
    coverage, risk = risk_coverage(scores, right)
    shown = np.unique(np.linspace(0, len(coverage) - 1, 200).astype(int))
    figure, axes = _axes("share of rows answered", "share of these that is wrong")
    axes.plot(coverage[shown], risk[shown], color=_LINES[1])
    axes.set_xlim(0, 1.02)
    axes.set_ylim(bottom=0)
    return _svg(figure, "risk against coverage")


def roc(found: Sequence[RankingCurve]) -> str:
    """Rows with a label that are given it, against rows without it that are; empty where there is nothing to draw."""
    if not found:
        return ""
    figure, axes = _axes("share given the label wrongly", "share found of those with it")
    axes.plot([0, 1], [0, 1], color=_INK, linewidth=0.8, linestyle=":")
    for curve, colour in zip(found, _LINES, strict=False):
        name = f"{_short(curve.name)}, area {curve.area:.3f}"
        axes.plot(curve.false_positives, curve.recall, color=colour, label=name)
    return _unit_square(figure, axes, "ROC curve")


def precision_recall(found: Sequence[RankingCurve]) -> str:
    """Rows given a label that have it, against rows with it that are given it; empty likewise."""
    if not found:
        return ""
    figure, axes = _axes("recall", "precision")
    for curve, colour in zip(found, _LINES, strict=False):
        axes.plot(curve.recall, curve.precision, color=colour, label=_short(curve.name))
    return _unit_square(figure, axes, "precision against recall")


def _unit_square(figure: Figure, axes: Axes, title: str) -> str:
    axes.legend(frameon=False, labelcolor=_INK, fontsize=8)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    return _svg(figure, title)


def _axes(across: str, up: str) -> tuple[Figure, Axes]:
    """Empty axes of these names for lines; made once a thread, since that takes more than half of a drawing."""
    figure, axes = _line_axes(threading.get_ident())
    for line in list(axes.lines):
        line.remove()
    if legend := axes.get_legend():
        legend.remove()
    axes.relim()
    axes.autoscale()
    _name(axes, across, up)
    return figure, axes


@lru_cache(maxsize=4)
def _line_axes(_thread: int) -> tuple[Figure, Axes]:
    return _new_axes((4.6, 3.2))


def _new_axes(size: tuple[float, float]) -> tuple[Figure, Axes]:
    """Axes of a figure of so many inches."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size)
    figure.patch.set_alpha(0)
    axes = figure.add_subplot()
    axes.patch.set_alpha(0)
    axes.tick_params(colors=_INK, labelsize=8)
    for side, spine in axes.spines.items():
        spine.set_color(_INK)
        spine.set_visible(side in ("left", "bottom"))
    return figure, axes


def _name(axes: Axes, across: str, up: str) -> None:
    axes.set_xlabel(across, color=_INK)
    axes.set_ylabel(up, color=_INK)


def _leave_room(figure: Figure) -> None:
    """Margins for the numbers at the axes; a layout engine finds them in three times the drawing's own time."""
    (axes,) = figure.axes
    form = axes.yaxis.get_major_formatter()
    numbers = form.format_ticks(axes.get_yticks().tolist())
    above = _LINE if form.get_offset() else 0.0  # "1e-6", what all of them are to be multiplied with
    width, height = figure.get_size_inches()
    figure.subplots_adjust(
        left=(_LABEL + _LETTER * max(map(len, numbers))) / width,
        bottom=(_LABEL + _LINE) / height,
        right=1 - _MARGIN / width,
        top=1 - (_MARGIN + above) / height,
    )


def _svg(figure: Figure, title: str) -> str:
    """The figure as an SVG element that fits into a page: its title escaped, its ids its own."""
    from html import escape

    import matplotlib as mpl

    if figure.get_layout_engine() is None:
        _leave_room(figure)
    made = io.StringIO()
    # Text stays text, in the page's font, and `$` in a label is no formula.
    with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": title, "text.parse_math": False}):
        figure.savefig(made, format="svg", metadata={"Date": None, "Creator": None})
    whole = made.getvalue()
    text = re.sub(r"<metadata>.*?</metadata>", "", whole[whole.index("<svg") :], flags=re.DOTALL)
    prefix = re.sub(r"\W", "", title)
    text = re.sub(r'\b(id="|url\(#|xlink:href="#)', rf"\1{prefix}-", text)
    name = escape(title, quote=True)
    return text.replace(_INK, "currentColor").replace("<svg ", f'<svg role="img" aria-label="{name}" ', 1)


def _short(label: str) -> str:
    return label if len(label) <= 18 else label[:17] + "…"
