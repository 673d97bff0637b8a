"""An explanation as one HTML file without scripts or requests, in which every text of a user is escaped."""

from __future__ import annotations

from typing import Any

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
    """What the template `words.html.j2` draws of a reason."""
    return {
        "target": reason.target or "no answer",
        "score": f"{reason.score:.3f}",
        "delta": None if reason.delta is None else f"{reason.delta:.2%}",
        "fields": [
            (field if len(found.texts) > 1 else "", [_drawn(*piece, reason.largest) for piece in pieces])
            for field, pieces in found.pieces(reason)
        ],
        "parts": [(text, f"{weight:+.3f}") for text, weight in found.heaviest(reason, _LISTED)],
    }


def _drawn(text: str, weight: float | None, largest: float) -> dict[str, str]:
    """A piece of a text: its colour, empty for what has no weight, and what a pointer shows."""
    if weight is None:
        return {"text": text, "colour": "", "weight": ""}
    opacity = _DEEPEST * abs(weight) / largest
    colour = f"rgba({_FOR if weight >= 0 else _AGAINST}, {opacity:.3f})"
    return {"text": text, "colour": colour, "weight": f"{weight:+.4f}"}
