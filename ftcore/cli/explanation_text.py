"""An explanation on a terminal: the text with coloured words, those that count most, and how far that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ftcore.cli.console import print_text
from ftcore_runtime.terminal import printable

if TYPE_CHECKING:
    from rich.text import Text

    from ftcore_runtime.explanations.explanation import Explanation, Reason

_LISTED = 8  # parts of a reason
_LEANT = 3  # of a word that was generated
_FOR, _AGAINST = (120, 210, 160), (245, 150, 130)  # backgrounds of the largest weights, under black letters
_PAPER = 235  # that of the smallest
_SHOWN = 0.05  # of the largest weight: less has no colour


def print_explanation(found: Explanation) -> None:
    """Print it."""
    print_text(found.answer.summary)
    if not found.answer.explainable:
        _print_written(found)
        return
    for reason in found.reasons:
        print_text(f"\nwhat speaks for {_quoted(reason)} ({reason.score:.3f}), by {found.method}")
        for field, pieces in found.pieces(reason):
            print_text(_coloured(f"{field}: " if len(found.texts) > 1 else "", pieces, reason.largest))
        print_text(
            "" if reason.delta is None else f"\nconvergence delta {reason.delta:.2%} of the difference"
        )
        for text, weight in found.heaviest(reason, _LISTED):
            print_text(f"  {weight:+.3f}  {' '.join(text.split())}")
    print_text(f"\n{found.conclusion}")


def _quoted(reason: Reason) -> str:
    """The title with the target in quotes."""
    target = f"`{reason.target or 'no answer'}`"
    return f"the {reason.edge} of {target}" if reason.edge else target


def _print_written(found: Explanation) -> None:
    """A generated text: a line for each of its words, with the words of the source that it loses most without."""
    print_text("")
    for reason in found.reasons:
        leant = (f"{' '.join(text.split())} {weight:+.2f}" for text, weight in found.heaviest(reason, _LEANT))
        print_text(f"  {reason.target} ({reason.score:.2f})  <-  {', '.join(leant)}")
    print_text(f"\n{found.conclusion}")


def _coloured(head: str, pieces: list[tuple[str, float | None]], largest: float) -> Text:
    from rich.style import Style
    from rich.text import Text

    text = Text(head, style="bold")
    line = Text()
    for piece, weight in pieces:
        share = 0.0 if weight is None else weight / largest
        style = Style(color="black", bgcolor=_background(share)) if abs(share) >= _SHOWN else Style()
        line.append(printable(piece, lines=True), style=style)
    return Text.assemble(text, line)


def _background(share: float) -> str:
    full = _FOR if share > 0 else _AGAINST
    mixed = (round(_PAPER + abs(share) * (one - _PAPER)) for one in full)
    return f"rgb({','.join(map(str, mixed))})"
