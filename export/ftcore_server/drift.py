"""Holds the latest inputs and answers of a version against the histograms of its evaluation."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any

import numpy as np

from ftcore_runtime.answers import Observation
from ftcore_runtime.reference import Reference

#: Inputs that are looked back on, and fewer than which say nothing.
WINDOW = 5000
ENOUGH = 200


class Drift:
    """The last `WINDOW` inputs, each as the bins it falls into. Safe to share between threads.

    Args:
        reference: of the bundle.
    """

    def __init__(self, reference: Reference) -> None:
        self.reference = reference
        self._names = list(reference.measures)
        self._bins = np.full((WINDOW, len(self._names)), -1, np.int16)
        self._next = 0
        self._seen = 0
        self._lock = threading.Lock()

    def add(self, rows: Iterable[Observation]) -> None:
        """Count some inputs."""
        measures = self.reference.measures
        placed = [
            [measures[name].bin_of(row[name]) if name in row else -1 for name in self._names] for row in rows
        ]
        with self._lock:
            for bins in placed:
                self._bins[self._next] = bins
                self._next = (self._next + 1) % WINDOW
            self._seen = min(WINDOW, self._seen + len(placed))

    @property
    def rows(self) -> int:
        """Inputs looked back on."""
        return self._seen

    def psi(self) -> dict[str, float | None]:
        """Measure -> index; None while there are fewer than `ENOUGH` inputs. Above 0.2 is commonly called a shift."""
        with self._lock:
            bins = self._bins[: self._seen].copy()
        found: dict[str, float | None] = {}
        for column, name in enumerate(self._names):
            histogram = self.reference.measures[name]
            values = bins[:, column]
            live = np.bincount(values[values >= 0], minlength=histogram.bins)
            found[name] = histogram.psi(live) if live.sum() >= ENOUGH else None
        return found

    def to_json(self) -> dict[str, Any]:
        """The report of `/v1/models/{m}/drift`."""
        return {
            "reference_rows": self.reference.rows,
            "rows": self.rows,
            "window": WINDOW,
            "enough": ENOUGH,
            "psi": self.psi(),
        }
