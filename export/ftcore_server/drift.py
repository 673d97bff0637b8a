"""Holds the latest inputs and answers of a version against the histograms of its evaluation."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Observation
from ftcore_runtime.reference import Reference

#: Inputs that are looked back on, and fewer than which say nothing.
WINDOW = 5000
ENOUGH = 200


@dataclass(frozen=True)
class Seen:
    """How the latest inputs fall into the bins: those of one process, or of several together.

    Args:
        rows: inputs.
        window: inputs that are looked back on, at most.
        bins: measure -> how many inputs fall into each of its bins, int64 [bins].
    """

    rows: int
    window: int
    bins: Mapping[str, NDArray[np.int64]]

    def __add__(self, other: Seen) -> Seen:
        bins = {name: counts + other.bins[name] for name, counts in self.bins.items()}
        return Seen(self.rows + other.rows, self.window + other.window, bins)

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        bins = {name: counts.tolist() for name, counts in self.bins.items()}
        return {"rows": self.rows, "window": self.window, "bins": bins}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        """What `to_json` has written, of the same bundle."""
        bins = {name: np.array(counts, np.int64) for name, counts in value["bins"].items()}
        return cls(value["rows"], value["window"], bins)


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

    def seen(self) -> Seen:
        """The inputs that are looked back on."""
        with self._lock:
            bins = self._bins[: self._seen].copy()
        counts = {}
        for column, name in enumerate(self._names):
            values = bins[:, column]
            counts[name] = np.bincount(values[values >= 0], minlength=self.reference.measures[name].bins)
        return Seen(len(bins), WINDOW, counts)

    def psi(self, seen: Seen) -> dict[str, float | None]:
        """Measure -> index; None while there are fewer than `ENOUGH` inputs. Above 0.2 is commonly called a shift."""
        measures = self.reference.measures
        return {
            name: measures[name].psi(live) if live.sum() >= ENOUGH else None
            for name, live in seen.bins.items()
        }

    def report(self, seen: Seen) -> dict[str, Any]:
        """The report of `/v1/models/{m}/drift`."""
        return {
            "reference_rows": self.reference.rows,
            "rows": seen.rows,
            "window": seen.window,
            "enough": ENOUGH,
            "psi": self.psi(seen),
        }
