"""Ranges of indices one after another, without a loop over them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Indices = NDArray[np.int64]


def ranges(starts: Indices, lengths: Indices) -> Indices:
    """All indices of some ranges, int64 [sum of `lengths`]: `lengths[i]` from `starts[i]` on, for each i in turn."""
    ends = np.cumsum(lengths)
    return np.repeat(starts - ends + lengths, lengths) + np.arange(ends[-1] if len(ends) else 0)


def places_within(lengths: Indices) -> Indices:
    """The place of each index in its range, int64 [sum of `lengths`]: 0 to `lengths[i]` - 1 for each i in turn."""
    return ranges(np.zeros_like(lengths), lengths)
