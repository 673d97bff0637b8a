"""What metrics of rows have in common: those of one resample, and those of many at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_AT_ONCE = 2_000_000  # numbers that the resamples of one part have


class Measures(ABC):
    """Metrics of rows that are known to it; resamples have as many rows each."""

    @property
    def cells(self) -> int:
        """Numbers that one resample takes, besides one a row."""
        return 1

    def values(self, rows: Array) -> dict[str, float]:
        """Every metric of the rows at these indices, int64 [rows]."""
        return {name: float(found[0]) for name, found in self._of(rows[None]).items()}

    def resamples(self, samples: Array) -> dict[str, Array]:
        """Every metric of each resample; see `SupportsResamples`."""
        most = max(1, _AT_ONCE // max(self.cells, samples.shape[1]))
        parts = [self._of(samples[start : start + most]) for start in range(0, len(samples), most)]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    @abstractmethod
    def _of(self, samples: Array) -> dict[str, Array]:
        """Metric -> float64 [resamples], of int64 [resamples, rows]."""


@dataclass(frozen=True)
class MeasuresScorer:
    """The scorer of some measures together."""

    parts: Sequence[Measures]

    def __call__(self, rows: Array) -> dict[str, float]:
        """Every metric of the rows at these indices."""
        return {name: value for part in self.parts for name, value in part.values(rows).items()}

    def resamples(self, samples: Array) -> dict[str, Array]:
        """Every metric of each resample."""
        return {name: values for part in self.parts for name, values in part.resamples(samples).items()}
