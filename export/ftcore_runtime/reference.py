"""What answers and inputs looked like in the evaluation, as histograms; what comes later is compared with them.

A bundle carries the reference; a server counts what it sees into the same bins and reports the population stability
index (PSI) of each measure: the sum over bins of (live - reference) * ln(live / reference), both as shares.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer, Observation
from ftcore_runtime.decoders import Prepared
from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields

_CONFIDENCE_EDGES = tuple(round(0.1 * step, 1) for step in range(1, 10))
_UNKNOWN_EDGES = (1e-9, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
_QUANTILES = 10
_MAX_BINS = 4096
_MAX_NAMES = 1000  # counted each; of more the most frequent
_MAX_MEASURES = 64
_MEASURE = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,59}")
#: Added to every bin before shares are taken, so that an empty one does not make the index infinite.
_SMOOTHING = 0.5


@dataclass(frozen=True)
class Histogram:
    """Counts of one measure.

    Args:
        edges: ascending inner edges of a number's bins; None for names.
        names: the names counted; None for numbers. Whatever has another name shares one further bin.
        counts: one for each bin.
    """

    edges: tuple[float, ...] | None
    names: tuple[str, ...] | None
    counts: tuple[int, ...]

    @property
    def bins(self) -> int:
        """How many there are."""
        return len(self.edges if self.edges is not None else self.names or ()) + 1

    def bin_of(self, value: float | str) -> int:
        """The bin of a value; -1 for a name among numbers and for a number among names."""
        if isinstance(value, str) != (self.names is not None):
            return -1
        if self.edges is not None:
            return bisect_right(self.edges, value)
        names = self.names or ()
        return names.index(value) if value in names else len(names)

    def counted(self, values: Sequence[float | str]) -> Histogram:
        """The same bins with the counts of `values`."""
        counts = np.bincount([self.bin_of(value) for value in values], minlength=self.bins)
        return Histogram(self.edges, self.names, tuple(counts.tolist()))

    def psi(self, live: NDArray[np.int64]) -> float:
        """Population stability index of `live`, int64 [bins], against the counts."""
        reference = np.array(self.counts) + _SMOOTHING
        seen = live + _SMOOTHING
        expected, found = reference / reference.sum(), seen / seen.sum()
        return float(((found - expected) * np.log(found / expected)).sum())

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        kind: dict[str, Any] = (
            {"edges": list(self.edges)} if self.edges is not None else {"names": list(self.names or ())}
        )
        return {**kind, "counts": list(self.counts)}

    @classmethod
    def from_json(cls, value: object, where: str) -> Histogram:
        """Read `{edges or names, counts}`.

        Raises:
            BundleError: other keys or types, or counts that do not fit the bins.
        """
        fields = Fields(value, where)
        assert isinstance(value, Mapping)  # or Fields had raised
        edges = names = None
        if "edges" in value:
            raw = fields.take("edges", list)
            numbers = all(type(edge) in (int, float) for edge in raw)
            if not numbers or any(low >= high for low, high in pairwise(raw)):
                raise fields.error("edges", "expected ascending numbers")
            edges = tuple(float(edge) for edge in raw)
        else:
            names = fields.strings("names")
        counts = fields.take("counts", list)
        fields.end()
        made = cls(edges, names, tuple(counts))
        if not all(type(count) is int and count >= 0 for count in counts):
            raise fields.error("counts", "expected whole numbers of at least 0")
        if len(counts) != made.bins or len(counts) > _MAX_BINS:
            raise fields.error("counts", f"{len(counts)} of them do not fit {made.bins} bins")
        return made


@dataclass(frozen=True)
class Reference:
    """The histograms of an evaluation.

    Args:
        rows: inputs that were counted.
        measures: name -> histogram: what the answers count of themselves (`Answer.observations`), `length` (tokens),
            and `unknown` (share of tokens that the vocabulary lacks) where it lacks any.
    """

    rows: int
    measures: Mapping[str, Histogram]

    @classmethod
    def of(
        cls, prepared: Prepared, answers: Sequence[Answer], labels: Sequence[str], unknown_id: int | None
    ) -> Reference:
        """Count the answers to some inputs, of which there is at least one."""
        seen = list(observations(prepared, answers, unknown_id))
        measures = {}
        for name in dict.fromkeys(name for row in seen for name in row):
            values = [row[name] for row in seen if name in row]
            measures[name] = _bins(name, values, labels).counted(values)
        return cls(len(seen), measures)

    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""
        return {
            "rows": self.rows,
            "measures": {name: histogram.to_json() for name, histogram in self.measures.items()},
        }

    @classmethod
    def from_json(cls, value: object, where: str) -> Reference:
        """Read `{rows, measures}`.

        Raises:
            BundleError: it is not what `to_json` writes.
        """
        fields = Fields(value, where)
        rows, measures = fields.integer("rows", minimum=1), fields.mapping("measures")
        fields.end()
        if len(measures) > _MAX_MEASURES or not all(map(_MEASURE.fullmatch, measures)):
            raise BundleError("'measures': expected a few names of letters, digits and '_'", where=where)
        return cls(
            rows,
            {name: Histogram.from_json(item, f"{where}.{name}") for name, item in measures.items()},
        )


def observations(
    prepared: Prepared, answers: Sequence[Answer], unknown_id: int | None
) -> Iterator[Observation]:
    """What there is to count of each input."""
    tokens = np.bincount(prepared.row, prepared.encoded.lengths, len(answers))
    unknown = None
    if unknown_id is not None:
        found = [ids.count(unknown_id) for ids in prepared.encoded.input_ids]
        unknown = np.bincount(prepared.row, found, len(answers)) / np.maximum(tokens, 1)
    for index, answer in enumerate(answers):
        row: Observation = {**answer.observations(), "length": float(tokens[index])}
        if unknown is not None:
            row["unknown"] = float(unknown[index])
        yield row


def _bins(name: str, values: Sequence[float | str], labels: Sequence[str]) -> Histogram:
    """Empty bins fit for a measure: names; fixed ones for shares; tenths of the values of any other number."""
    if isinstance(values[0], str):
        names = tuple(dict.fromkeys([*labels, *map(str, values)]))
        if len(names) > _MAX_NAMES:
            names = tuple(name for name, _ in Counter(map(str, values)).most_common(_MAX_NAMES))
        return Histogram(None, names, ())
    if name in ("confidence", "unknown"):
        return Histogram(_CONFIDENCE_EDGES if name == "confidence" else _UNKNOWN_EDGES, None, ())
    steps = np.quantile(np.array(values, np.float64), np.arange(1, _QUANTILES) / _QUANTILES)
    return Histogram(tuple(np.unique(steps).tolist()), None, ())
