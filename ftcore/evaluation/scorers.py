"""Scorers made of scorers, and the metrics of many resamples, at once where a scorer can do that."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftcore.families.scoring import Scorer, SupportsResamples

Array = np.ndarray[Any, np.dtype[Any]]


def of_resamples(scorer: Scorer, samples: Array) -> Mapping[str, Array]:
    """Every metric of each resample.

    Args:
        samples: int64 [resamples, rows], one resample or more.

    Returns:
        name -> float64 [resamples].
    """
    if isinstance(scorer, SupportsResamples):
        return scorer.resamples(samples)
    values = [scorer(rows) for rows in samples]
    return {name: np.array([one[name] for one in values], dtype=float) for name in values[0]}


@dataclass(frozen=True)
class Only:
    """The metrics of a scorer that have these names."""

    scorer: Scorer
    names: Set[str]

    def __call__(self, rows: Array) -> dict[str, float]:
        """Of the rows at these indices."""
        return {name: value for name, value in self.scorer(rows).items() if name in self.names}

    def resamples(self, samples: Array) -> dict[str, Array]:
        """Of each resample."""
        return {
            name: values for name, values in of_resamples(self.scorer, samples).items() if name in self.names
        }


@dataclass(frozen=True)
class Difference:
    """Metrics of the later scorer less those of the earlier, of the same rows, as far as both have them."""

    earlier: Scorer
    later: Scorer

    def __call__(self, rows: Array) -> dict[str, float]:
        """Of the rows at these indices."""
        lower = self.earlier(rows)
        return {name: value - lower[name] for name, value in self.later(rows).items() if name in lower}

    def resamples(self, samples: Array) -> dict[str, Array]:
        """Of each resample."""
        lower, later = of_resamples(self.earlier, samples), of_resamples(self.later, samples)
        return {name: values - lower[name] for name, values in later.items() if name in lower}
