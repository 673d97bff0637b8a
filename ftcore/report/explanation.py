"""An explanation as one HTML file without scripts or requests, in which every text of a user is escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from ftcore.report.content import shown
from ftcore.report.templates import template
from ftcore_runtime.explanations.explanation import Explanation, Reason
from ftcore_runtime.explanations.html import words_html

_LISTED = 12  # parts of a reason


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
        "target": reason.title,
        "score": f"{reason.score:.3f}",
        "delta": None if reason.delta is None else f"{reason.delta:.2%}",
        "words": _words(dict(found.pieces(reason))),
        "parts": [(text, f"{weight:+.3f}") for text, weight in found.heaviest(reason, _LISTED)],
    }


def error_content(error: Mapping[str, Any]) -> dict[str, Any]:
    """What the report draws of an error in explanations.json."""
    similar = [{**row, "reference": shown(row["reference"])} for row in error.get("similar", [])]
    return {
        **error,
        "target": error["target"] or "no answer",
        "words": _words(error["texts"]),
        "similar": similar,
    }


def _words(texts: Mapping[str, Sequence[Sequence[Any]]]) -> Markup:
    return Markup(words_html(texts))  # noqa: S704 (it escapes every text)
