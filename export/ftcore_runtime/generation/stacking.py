"""Rows of two arrays as one, where one axis is longer in one of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.encoding import Side


def stack(
    above: NDArray[Any], below: NDArray[Any], *, axis: int, side: Side, fill: float = 0
) -> NDArray[Any]:
    """The rows of `below` after those of `above`; the shorter along `axis` is filled up at this side."""
    longest, rows = max(above.shape[axis], below.shape[axis]), len(above)
    made = np.full(
        (rows + len(below), *above.shape[1:axis], longest, *above.shape[axis + 1 :]), fill, above.dtype
    )
    for part, one in ((made[:rows], above), (made[rows:], below)):
        missing = longest - one.shape[axis]
        place = slice(missing, longest) if side == "left" else slice(longest - missing)
        part[(slice(None),) * axis + (place,)] = one
    return made
