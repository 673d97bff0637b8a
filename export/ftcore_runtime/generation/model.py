"""What a search needs of a model, wherever it runs: the next token's logits, and its rows rearranged."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Ids = NDArray[np.int64]
Floats = NDArray[np.float32]


class SequenceModel(Protocol):
    """A model in the middle of writing some rows. It keeps its own cache of keys and values."""

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Read the source and the first tokens of the answers, whatever was read before is forgotten.

        Args:
            inputs: int64 [rows, longest] each: `input_ids` and `attention_mask` of the sources.
            prompt: int64 [rows, at least 1]: the decoder's first tokens; of a decoder alone the same as `input_ids`.

        Returns:
            logits of the next token, float32 [rows, vocabulary].
        """

    def step(self, tokens: Ids) -> Floats:
        """Go on with one more token each (int64 [rows]); logits of the next one."""

    def select(self, rows: Ids) -> None:
        """Row i becomes what row `rows[i]` was: drops, repeats and swaps rows."""


class JoinableModel(SequenceModel, Protocol):
    """One whose rows need not be of an age: some may begin while others are being written."""

    @property
    def joins(self) -> bool:
        """Whether `join` may be called."""

    def join(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Rows more, after those there are; what `start` gives, of the new ones alone."""


def is_every_row(rows: Ids, held: int) -> bool:
    """Whether `rows` are all that are held, in order: `select` has nothing to do then."""
    return len(rows) == held and bool((rows == np.arange(held)).all())
