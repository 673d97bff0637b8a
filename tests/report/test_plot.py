"""What a chart shows: points at their places on axes with round numbers, whatever the numbers are."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree as ET

import numpy as np
import pytest

from ftcore.report import charts
from ftcore.report.content import Curve
from ftcore.report.plot import Line, grid, lines, marks

FREE = (None, None)
NUMBER = r"-?[\d.]+"


def elements(svg: str, kind: str) -> list[ET.Element]:
    return ET.fromstring(svg).findall(kind)


def texts(svg: str) -> list[str]:
    return [one.text or "" for one in elements(svg, "text")]


@pytest.mark.parametrize(
    ("low", "high", "written"),
    [
        (0, 1.02, ["0", "0.2", "0.4", "0.6", "0.8", "1"]),
        (-3, 14, ["-2.5", "0", "2.5", "5", "7.5", "10", "12.5"]),
        (0.69, 0.71, ["0.69", "0.695", "0.7", "0.705", "0.71"]),
        (0, 2e-6, ["0", "5e-07", "1e-06", "1.5e-06", "2e-06"]),
        (0, 7e6, ["0", "1e+06", "2e+06", "3e+06", "4e+06", "5e+06", "6e+06", "7e+06"]),
    ],
)
def test_marks_are_round(low: float, high: float, written: list[str]) -> None:
    found = marks(low, high)
    assert [*found.values()] == written
    assert [float(text) for text in written] == pytest.approx([*found])


def test_points_lie_where_the_marks_say() -> None:
    svg = lines("t", "across", "up", [Line([0, 2, 10], [0.5, 1, 0])], (0.0, 10.0), (0.0, 1.0))
    (drawn,) = elements(svg, "polyline")
    points = [tuple(map(float, point.split(","))) for point in drawn.attrib["points"].split()]
    ends = [tuple(map(float, re.findall(NUMBER, one.attrib["d"]))) for one in elements(svg, "path")]
    ticks_across = sorted(x for x, y, to_x, to_y in ends if x == to_x and to_y - y == 4)
    ticks_up = sorted((y for x, y, to_x, to_y in ends if y == to_y and to_x - x == 4), reverse=True)
    assert [x for x, _ in points] == pytest.approx([ticks_across[0], ticks_across[1], ticks_across[-1]])
    middle = (ticks_up[0] + ticks_up[-1]) / 2
    assert [y for _, y in points] == pytest.approx([middle, ticks_up[-1], ticks_up[0]], abs=0.1)
    assert texts(svg)[:2] == ["0", "2"]
    assert {"across", "up"} <= {*texts(svg)}


@pytest.mark.parametrize(
    "values", [[1.0, math.nan, 0.5], [math.inf, 1.0, 1e300], [0.0], [3.0] * 4, [1e-320, 0.0], [1e99, -1e99], [math.nan]]
)  # fmt: skip
def test_any_number_leaves_a_picture(values: list[float]) -> None:
    svg = charts.curves("loss", [Curve("train", [*range(len(values))], values)])
    shown = [value for value in values if abs(value) < 1e100]
    assert len(elements(svg, "circle")) == len(shown)
    assert not re.search("nan|inf", svg)
    width, height = map(float, ET.fromstring(svg).attrib["viewBox"].split()[2:])
    for dot in elements(svg, "circle"):
        assert 0 < float(dot.attrib["cx"]) < width
        assert 0 < float(dot.attrib["cy"]) < height


def test_the_legend_names_each_line_above_the_chart() -> None:
    drawn = [Line([0, 1], [0, 1], "#123456", "<b>"), Line([0, 1], [1, 0], "#654321", "other"), Line([0], [0])]
    svg = lines('a "title"', "x", "y", drawn, FREE, FREE)
    assert texts(svg)[-2:] == ["<b>", "other"]
    assert ET.fromstring(svg).attrib["aria-label"] == 'a "title"'
    named = [float(one.attrib["y"]) for one in elements(svg, "text")[-2:]]
    points = [point for one in elements(svg, "polyline") for point in one.attrib["points"].split()]
    assert max(named) < min(float(point.split(",")[1]) for point in points)


def test_a_grid_has_its_counts_and_room_for_names() -> None:
    counts = np.array([[5, 0], [1, 3]])
    svg = grid("t", "answer", "reference", ["a label of 18 lett", "很长的标签名称"], counts, counts / 5)
    assert [text for text in texts(svg) if text.isdigit()] == ["5", "1", "3"], "row by row, nothing for 0"
    shades = [one.attrib["fill"] for one in elements(svg, "rect")]
    assert shades[0] == "#08458c"
    assert shades[1] == "#f7fbff"
    left = min(float(one.attrib["x"]) for one in elements(svg, "rect"))
    assert left > 18 * 6
