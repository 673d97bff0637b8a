"""How fast training goes."""

from __future__ import annotations

import time


class Meter:
    """Rows per second of training alone: evaluation and checkpoints are left out."""

    def __init__(self) -> None:
        self._rows = 0
        self._start = time.perf_counter()

    def count(self, rows: int) -> None:
        """Add rows of a step."""
        self._rows += rows

    def skip(self, seconds: float) -> None:
        """Leave out seconds that were not training."""
        self._start += seconds

    def rate(self) -> float:
        """Rows a second so far."""
        return self._rows / max(time.perf_counter() - self._start, 1e-9)
