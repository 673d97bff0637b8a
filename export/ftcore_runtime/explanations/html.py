"""An explanation as HTML: words in the colour of what they do, with every text of a user escaped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ftcore_runtime.explanations.explanation import Explanation

_FOR, _AGAINST = "43, 138, 124", "196, 84, 58"
_DEEPEST = 0.6  # opacity of the largest weight
_TEXT = "white-space: pre-wrap; line-height: 1.9"
_WORD = "border-radius: .25rem; padding: .1rem .05rem"


def explanation_html(found: Explanation) -> str:
    """What a notebook shows: the answer, each reason's words, and whether that holds."""
    parts = [f"<strong>{escape(found.answer.summary)}</strong>"]
    for reason in found.reasons:
        parts.append(f"<p>what speaks for {escape(reason.title)} ({reason.score:.3f}):</p>")
        parts.append(words_html(dict(found.pieces(reason))))
    parts.append(
        f"<p><small>{escape(found.conclusion)}; green words speak for it, red ones against</small></p>"
    )
    return f"<div>{''.join(parts)}</div>"


def words_html(texts: Mapping[str, Sequence[Sequence[Any]]]) -> str:
    """Texts whose pieces are green where they speak for an answer and red where they speak against it.

    Args:
        texts: field -> pieces of its text with their weights, None for what has none. Where there are several, the name
            of each stands above its text.
    """
    weights = (abs(weight) for pieces in texts.values() for _, weight in pieces if weight is not None)
    largest = max(weights, default=0.0) or 1.0
    made = []
    for field, pieces in texts.items():
        if len(texts) > 1:
            made.append(f"<h3>{escape(field)}</h3>")
        words = "".join(_word(text, weight, largest) for text, weight in pieces)
        made.append(f'<p class="words" style="{_TEXT}">{words}</p>')
    return "\n".join(made)


def _word(text: str, weight: float | None, largest: float) -> str:
    """A piece of a text; a pointer on it shows its weight."""
    if weight is None:
        return escape(text)
    colour = f"rgba({_FOR if weight >= 0 else _AGAINST}, {_DEEPEST * abs(weight) / largest:.3f})"
    return f'<span style="background: {colour}; {_WORD}" title="{weight:+.4f}">{escape(text)}</span>'
