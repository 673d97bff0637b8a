"""Rows of numbers as directions."""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Floats = TypeVar("Floats", bound=NDArray[np.floating[Any]])


def unit(rows: Floats) -> Floats:
    """Rows of length 1, [rows, size] of the type that they have; zeros stay zeros."""
    found: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    return found
