"""Texts in windows: what decoders of spans and of entities share, and what those of whole texts do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.decoders.base import Decoder, Prepared
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.fields import Fields
from ftcore_runtime.inputs import Input, read_columns
from ftcore_runtime.pooled_windows import PooledWindows


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


class PooledDecoder(Decoder):
    """A decoder of whole texts, whose windows are pooled where it has `windows`; else texts are cut."""

    windows: PooledWindows | None

    @property
    def cuts(self) -> bool:
        """Unless windows read a text whole."""
        return self.windows is None or self.windows.cuts

    def prepare(self, inputs: Sequence[Input], encoder: TextEncoder) -> Prepared:
        """Windows of texts; one feature each without."""
        if self.windows is None:
            return super().prepare(inputs, encoder)
        (texts,) = read_columns(inputs, self.fields, self.required)
        return Prepared(*self.windows.encode(encoder, texts))

    def pooled(self, outputs: Mapping[str, np.ndarray], row: NDArray[np.int64]) -> Mapping[str, np.ndarray]:
        """Outputs of texts, name -> [texts, ...], from those of their features.

        Args:
            row: int64 [features], ascending: index of the text of each.
        """
        return outputs if self.windows is None else self.windows.pooled(outputs, row)


def read_windows(fields: Fields, where: str) -> PooledWindows | None:
    """The key `windows` of a decoder's settings; None where there is none, as before there were any."""
    if not fields.has("windows"):
        return None
    return PooledWindows.from_json(fields.mapping("windows"), f"{where}.windows")
