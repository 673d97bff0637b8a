"""A comparison as one HTML file without scripts or requests, in which every text of a user is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ftcore.evaluation.comparison import Compared, Line
from ftcore.families.reader import input_text
from ftcore.report.content import shown
from ftcore.report.templates import template

_MOST = 50  # rows that changed, of each kind
_ALPHA = 0.05


def render_comparison(found: Sequence[Compared], left_out: int) -> str:
    """The comparisons with the first as HTML.

    Args:
        left_out: rows that are not in all.
    """
    return template("comparison.html.j2").render(
        first=found[0].first,
        rows=f"{found[0].found.rows:,}",
        left_out=f"{left_out:,}" if left_out else "",
        found=[_section(one) for one in found],
    )


def _section(one: Compared) -> dict[str, Any]:
    outcome = "unclear" if one.p_value >= _ALPHA else "better" if one.found.difference > 0 else "worse"
    changes = [
        (f"Right in {one.second} alone", one.fixed),
        (f"Right in {one.first} alone", one.broken),
    ]
    return {
        "second": one.second,
        "sentence": one.sentence,
        "outcome": outcome,
        "changes": [
            (title, [_row(*lines) for lines in rows[:_MOST]], max(0, len(rows) - _MOST))
            for title, rows in changes
            if rows
        ],
    }


def _row(before: Line, after: Line) -> dict[str, str]:
    return {
        "text": input_text(after["input"]),
        "reference": shown(after["reference"]),
        "before": before["summary"],
        "after": after["summary"],
    }
