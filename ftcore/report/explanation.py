"""An explanation as one HTML file without scripts or requests, in which every text of a user is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.report.content import shown
from ftcore.report.templates import template
from ftcore_runtime.explanations.explanation import Explanation, Reason

_LISTED = 12  # parts of a reason
_FOR, _AGAINST = "43, 138, 124", "196, 84, 58"
_DEEPEST = 0.6  # opacity of the largest weight


def render_explanation(found: Explanation) -> str:
    """The explanation as HTML."""
    return template("explanation.html.j2").render(
        answer=found.answer.summary,
        method=found.method,
        reasons=[reason_content(found, reason) for reason in found.reasons],
        tried=found.faithfulness,
        note=found.note,
    )


def reason_content(found: Explanation, reason: Reason) -> dict[str, Any]:
    """What the template draws of a reason."""
    return {
        "target": reason.target or "no answer",
        "score": f"{reason.score:.3f}",
        "delta": None if reason.delta is None else f"{reason.delta:.2%}",
        "fields": fields_of(dict(found.pieces(reason))),
        "parts": [(text, f"{weight:+.3f}") for text, weight in found.heaviest(reason, _LISTED)],
    }


def error_content(error: Mapping[str, Any]) -> dict[str, Any]:
    """What the report draws of an error in explanations.json."""
    similar = [{**row, "reference": shown(row["reference"])} for row in error.get("similar", [])]
    return {
        **error,
        "target": error["target"] or "no answer",
        "fields": fields_of(error["texts"]),
        "similar": similar,
    }


def fields_of(texts: Mapping[str, Sequence[Sequence[Any]]]) -> list[tuple[str, list[dict[str, str]]]]:
    """What the template `words.html.j2` draws: the name of each text, where there are several, and its pieces.

    Args:
        texts: field -> pieces of its text with their weights, None for what has none.
    """
    weights = (abs(weight) for pieces in texts.values() for _, weight in pieces if weight is not None)
    largest = max(weights, default=0.0) or 1.0
    return [
        (field if len(texts) > 1 else "", [_drawn(text, weight, largest) for text, weight in pieces])
        for field, pieces in texts.items()
    ]


def _drawn(text: str, weight: float | None, largest: float) -> dict[str, str]:
    """A piece of a text: its colour, empty for what has no weight, and what a pointer shows."""
    if weight is None:
        return {"text": text, "colour": "", "weight": ""}
    opacity = _DEEPEST * abs(weight) / largest
    colour = f"rgba({_FOR if weight >= 0 else _AGAINST}, {opacity:.3f})"
    return {"text": text, "colour": colour, "weight": f"{weight:+.4f}"}
