"""Texts of any length answered as one: the outputs of their windows, pooled. The same in training and serving."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.encoding import Encoded, TextEncoder
from ftcore_runtime.fields import Fields
from ftcore_runtime.windows import firsts_of, text_windows

POOLS = ("mean", "max", "first")


@dataclass(frozen=True)
class PooledWindows:
    """How a long text is cut, and what is made of what the model gives for its windows.

    Args:
        stride: tokens that neighbouring windows share; at most half of a window.
        pool: `mean` or `max` of each output over the windows of a text, or the `first` window alone: the text is cut.
    """

    stride: int
    pool: str

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {"stride": self.stride, "pool": self.pool}

    @classmethod
    def from_json(cls, value: object, where: str) -> PooledWindows:
        """Read `{stride, pool}`.

        Raises:
            BundleError: a key is missing, unknown or of the wrong type.
        """
        fields = Fields(value, where)
        made = cls(fields.integer("stride", minimum=0), fields.choice("pool", POOLS))
        fields.end()
        return made

    @property
    def cuts(self) -> bool:
        """Whether what exceeds the first window is lost."""
        return self.pool == "first"

    def encode(self, encoder: TextEncoder, texts: Sequence[str]) -> tuple[Encoded, NDArray[np.int64]]:
        """The windows that are read, and int64 [windows], ascending: index of the text of each.

        Raises:
            InputError: a text that is no valid Unicode.
        """
        if self.cuts:
            return encoder.encode(texts), np.arange(len(texts))
        windows = text_windows(encoder, texts, self.stride)
        return windows.encoded, windows.row

    def pooled(
        self, outputs: Mapping[str, np.ndarray], row: NDArray[np.int64]
    ) -> dict[str, NDArray[np.float64]]:
        """Outputs of texts from those of their windows: name -> float64 [texts, ...] from [windows, ...].

        Args:
            row: of each window, as `encode` gives it; every text has one at least.
        """
        firsts = firsts_of(row)
        return {name: self._pooled(np.asarray(one, np.float64), firsts) for name, one in outputs.items()}

    def _pooled(self, values: NDArray[np.float64], firsts: NDArray[np.int64]) -> NDArray[np.float64]:
        if len(firsts) == len(values):  # a window each
            return values
        if self.pool == "max":
            return np.maximum.reduceat(values, firsts)
        counts = np.diff([*firsts, len(values)]).reshape(-1, *[1] * (values.ndim - 1))
        means: NDArray[np.float64] = np.add.reduceat(values, firsts) / counts
        return means
