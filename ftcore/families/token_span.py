"""A span of a text as tokens of the one window that a model reads: what gradients of a span's score are taken at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ftcore_runtime.answers import Mark
from ftcore_runtime.decoders.windowed import TokenPlaces


@dataclass(frozen=True)
class TokenSpan:
    """Where a span stands in a window.

    Args:
        first, last: its tokens; the window's first one for no answer.
        opening: those of its tokens with which something begins (see `TokenPlaces`): of entities each of its words.
        label: what it is; empty where spans have no label.
    """

    first: int
    last: int
    opening: tuple[int, ...]
    label: str


def token_span(places: TokenPlaces, mark: Mark | None) -> TokenSpan:
    """The span in the first window of `places`.

    Args:
        mark: characters and label, as an answer of these places has them; None for no answer.
    """
    if mark is None:
        return TokenSpan(0, 0, (0,), "")
    begin, end, label = mark
    begins, ends = places.begins[0], places.ends[0]
    opening = np.flatnonzero((begins >= begin) & (begins < end))
    return TokenSpan(int(opening[0]), int(np.flatnonzero(ends == end)[0]), tuple(opening.tolist()), label)
