"""Texts in windows, with the places of their tokens: what decoders of spans and of entities share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.decoders.base import Prepared


@dataclass(frozen=True)
class TokenPlaces:
    """Where in the texts that lies which can be answered at the tokens of some windows.

    Args:
        row: int64 [windows], ascending: index of the text of each window.
        begins, ends: int32 [windows, tokens], characters of the text; -1 where nothing begins or ends. Of spans see
            `Windows.edges`; of words both stand at the first token of a word, in the window that owns it.
        texts: contexts of questions, or the texts themselves.
    """

    row: NDArray[np.int64]
    begins: NDArray[np.int32]
    ends: NDArray[np.int32]
    texts: Sequence[str]


@dataclass(frozen=True)
class PreparedWindows(Prepared):
    """Windows of some inputs, with the places of their tokens."""

    places: TokenPlaces
