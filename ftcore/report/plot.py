"""Draws inline SVG: lines over two axes with round numbers, and shaded grids. No script, no font file, no ids.

What is not a line's own colour is `currentColor`, the text's colour of the page around it. A page's charts take
milliseconds; a plotting library takes half a second of every run for them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from ftcore_runtime.terminal import cells

Numbers = Sequence[float] | np.ndarray[Any, np.dtype[Any]]
Bounds = tuple[float | None, float | None]

_WIDTH, _HEIGHT = 460.0, 300.0  # pixels of a chart, its legend apart
_FONT, _LETTER, _LINE = 11, 6.2, 16.0  # pixels: its size, a letter's width, a line of text
_EDGE, _MARK = 8.0, 4.0  # pixels: around a chart, and of a mark at an axis
_CELL, _ASLANT = 26.0, 60  # pixels of a grid's cell, degrees of the names below it
_PALE, _DARK = np.array([247, 251, 255]), np.array([8, 69, 140])  # colours of no and of every row of a grid
_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)  # between two marks, in powers of ten
_LARGEST, _LEAST = (
    1e100,
    1e-100,
)  # numbers that are drawn, and differences between them: a loss may be anything


@dataclass(frozen=True)
class Line:
    """Points to be joined; one that is not finite, or beyond all measure, is left out.

    Args:
        name: what the legend says of it; empty for a line that is not in it.
        marked: whether each point has a dot.
        dotted: for a line to compare the others with.
    """

    xs: Numbers
    ys: Numbers
    colour: str = "currentColor"
    name: str = ""
    marked: bool = False
    dotted: bool = False

    def points(self) -> list[tuple[float, float]]:
        """Those that are drawn."""
        both = zip(map(float, self.xs), map(float, self.ys), strict=True)
        return [(x, y) for x, y in both if abs(x) < _LARGEST and abs(y) < _LARGEST]


@dataclass(frozen=True)
class Axis:
    """Numbers from `low` to `high` along `length` pixels that begin at pixel `start`; a negative length goes up."""

    low: float
    high: float
    start: float
    length: float

    def place(self, value: float) -> float:
        """The pixel of a number."""
        return self.start + self.length * (value - self.low) / (self.high - self.low)


def lines(title: str, across: str, up: str, drawn: Sequence[Line], x: Bounds, y: Bounds) -> str:
    """A chart of lines, their legend above it.

    Args:
        title: for those who do not see it.
        across, up: what the axes count.
        x, y: the bounds of the axes; None where the points decide.
    """
    points = [point for line in drawn for point in line.points()]
    x_low, x_high = _bounds([point[0] for point in points], x)
    y_low, y_high = _bounds([point[1] for point in points], y)
    named = [line for line in drawn if line.name]
    top = _EDGE + _LINE * len(named)
    y_marks = marks(y_low, y_high)
    left = _EDGE + _LINE + _MARK + 2 + _widest(y_marks.values())
    bottom = top + _HEIGHT - 2 * _LINE - _MARK - _EDGE
    horizontal = Axis(x_low, x_high, left, _WIDTH - left - 2 * _EDGE)
    vertical = Axis(y_low, y_high, bottom, top + _EDGE - bottom)
    parts = [_path(left, top, left, bottom), _path(left, bottom, _WIDTH - _EDGE, bottom)]
    for value, text in marks(x_low, x_high).items():
        at = horizontal.place(value)
        parts += [_path(at, bottom, at, bottom + _MARK), _text(at, bottom + _MARK + _FONT, text, "middle")]
    for value, text in y_marks.items():
        at = vertical.place(value)
        parts += [_path(left - _MARK, at, left, at), _text(left - _MARK - 2, at + _FONT / 3, text, "end")]
    parts.append(_text((left + _WIDTH) / 2, bottom + _MARK + _FONT + _LINE, across, "middle"))
    parts.append(_text(_EDGE + _FONT / 2, (top + bottom) / 2, up, "middle", turned=-90))
    for line in drawn:
        parts += _drawn(line, horizontal, vertical)
    for place, line in enumerate(named):
        at = _EDGE + _LINE * place + _FONT / 2
        parts.append(f'<path d="M{left:.1f} {at:.1f}h18" stroke="{line.colour}" stroke-width="2"/>')
        parts.append(_text(left + 24, at + _FONT / 3, line.name, "start"))
    return _svg(title, _WIDTH, top + _HEIGHT, parts)


def grid(
    title: str, across: str, up: str, names: Sequence[str], counts: np.ndarray, share: np.ndarray
) -> str:
    """A square of counts, shaded by their shares; the same names at both sides.

    Args:
        counts: int64 [names, names]; 0 is left empty.
        share: float [names, names], 0 to 1.
    """
    longest = _widest(names)
    left, side = 2 * _EDGE + _LINE + longest, _CELL * len(names)
    below = _EDGE + longest * math.sin(math.radians(_ASLANT)) + _FONT
    parts = []
    for row, name in enumerate(names):
        middle = _EDGE + _CELL * (row + 0.5)
        parts.append(_text(left - _EDGE, middle + _FONT / 3, name, "end"))
        at = left + _CELL * (row + 0.5)
        parts.append(_text(at, 2 * _EDGE + side + _FONT / 2, name, "end", turned=-_ASLANT))
        for column in range(len(names)):
            x, y = left + _CELL * column, _EDGE + _CELL * row
            red, green, blue = np.rint(_PALE + share[row, column] * (_DARK - _PALE)).astype(int)
            shade = f"#{red:02x}{green:02x}{blue:02x}"
            parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{_CELL}" height="{_CELL}" fill="{shade}"/>')
            if count := int(counts[row, column]):
                ink = "white" if share[row, column] > 0.5 else "#102030"
                parts.append(_text(x + _CELL / 2, middle + _FONT / 3, str(count), "middle", ink=ink))
    height = _EDGE + side + below + _LINE + _EDGE
    parts.append(_text(left + side / 2, height - _EDGE, across, "middle"))
    parts.append(_text(_EDGE + _FONT / 2, _EDGE + side / 2, up, "middle", turned=-90))
    return _svg(title, max(_WIDTH, left + side + 2 * _EDGE), height, parts)


def marks(low: float, high: float, most: int = 7) -> dict[float, str]:
    """Round numbers from `low` to `high`, about `most` of them, and how they are written."""
    rough = (high - low) / most
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in _STEPS if power * one >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return {step * count: f"{step * count:.6g}" for count in range(first, last + 1)}


def _bounds(values: Sequence[float], asked: Bounds) -> tuple[float, float]:
    """The ends of an axis: those that are asked for, else with a margin around the values."""
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    low, high = (one if fixed is None else fixed for one, fixed in zip((low, high), asked, strict=True))
    largest = max(abs(low), abs(high))
    if high - low <= max(1e-9 * largest, _LEAST):
        high = low + (largest if largest > _LEAST else 1.0)
    margin = 0.05 * (high - low)
    return (low - margin if asked[0] is None else low), (high + margin if asked[1] is None else high)


def _widest(texts: Iterable[str]) -> float:
    """Pixels of the longest text, where a wide letter counts twice."""
    return _LETTER * max(map(cells, texts), default=0)


def _drawn(line: Line, across: Axis, up: Axis) -> Iterator[str]:
    places = [(across.place(x), up.place(y)) for x, y in line.points()]
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    style = 'stroke-width="1" stroke-dasharray="1 3"' if line.dotted else 'stroke-width="1.6"'
    yield f'<polyline points="{joined}" fill="none" stroke="{line.colour}" {style}/>'
    for x, y in places if line.marked else ():
        yield f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.2" fill="{line.colour}"/>'


def _path(x: float, y: float, to_x: float, to_y: float) -> str:
    return f'<path d="M{x:.1f} {y:.1f}L{to_x:.1f} {to_y:.1f}" stroke="currentColor"/>'


def _text(x: float, y: float, text: str, anchor: str, *, turned: int = 0, ink: str = "currentColor") -> str:
    turn = f' transform="rotate({turned} {x:.1f} {y:.1f})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{ink}"{turn}>{escape(text)}</text>'


def _svg(title: str, width: float, height: float, parts: Sequence[str]) -> str:
    name = escape(title, quote=True)
    head = f'<svg role="img" aria-label="{name}" viewBox="0 0 {width:.0f} {height:.0f}" font-size="{_FONT}">'
    return "\n".join((head, *parts, "</svg>"))
