"""An exported graph compared with its torch model on real rows: distance, and answers that change."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ftcore_runtime.answers import Answer

#: A flip between two answers that the reference itself holds this close (in probability) is a tie: rounding
#: decides it, on any hardware.
TIE = 1e-4


@dataclass(frozen=True)
class Flip:
    """A row that is answered differently.

    Args:
        row: its id.
        reference, candidate: the two answers, as JSON.
        margin: probability by which the reference prefers its answer over the candidate's.
    """

    row: Any
    reference: Mapping[str, Any]
    candidate: Mapping[str, Any]
    margin: float

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return {
            "row": self.row,
            "reference": dict(self.reference),
            "candidate": dict(self.candidate),
            "margin": self.margin,
        }


@dataclass(frozen=True)
class Parity:
    """How a candidate compares with its reference.

    Args:
        rows: rows compared.
        max_abs_diff: largest absolute difference of any output; infinite where one of the two is not finite.
        flips: rows whose answer differs, without ties.
        ties: rows whose answer differs where the reference was undecided (`TIE`).
    """

    rows: int
    max_abs_diff: float
    flips: Sequence[Flip]
    ties: int

    @property
    def flip_share(self) -> float:
        """Share of the rows whose answer changes, without ties."""
        return len(self.flips) / self.rows if self.rows else 0.0

    def summary(self) -> dict[str, Any]:
        """Counts without rows, as JSON, for the bundle; a difference that is not finite is null."""
        return {
            "rows": self.rows,
            "max_abs_diff": self.max_abs_diff if math.isfinite(self.max_abs_diff) else None,
            "flips": len(self.flips),
            "ties": self.ties,
        }

    def to_json(self) -> dict[str, Any]:
        """The summary, with every flip in place of their number, for the run's own report."""
        return {**self.summary(), "flips": [flip.to_json() for flip in self.flips]}


def compare(
    reference: Mapping[str, np.ndarray],
    candidate: Mapping[str, np.ndarray],
    reference_answers: Sequence[Answer],
    candidate_answers: Sequence[Answer],
    ids: Sequence[Any],
) -> Parity:
    """Compare outputs (name -> [features, ...]) and the answers made from them, one for each of `ids`.

    Raises:
        ValueError: the two sides differ in output names, shapes or number of answers.
    """
    if reference.keys() != candidate.keys():
        raise ValueError(f"outputs differ: {sorted(reference)} and {sorted(candidate)}")
    widest = 0.0
    for name, expected in reference.items():
        if expected.shape != candidate[name].shape:
            raise ValueError(
                f"output {name!r} differs in shape: {expected.shape} and {candidate[name].shape}"
            )
        actual = candidate[name]
        with np.errstate(invalid="ignore"):  # inf - inf
            difference = np.abs(expected.astype(np.float64) - actual.astype(np.float64))
        difference[np.isneginf(expected) & np.isneginf(actual)] = 0  # padding on both sides
        widest = max(widest, float(np.nan_to_num(difference, nan=np.inf).max(initial=0.0)))
    flips, ties = [], 0
    for row, ours, theirs in zip(ids, reference_answers, candidate_answers, strict=True):
        if ours.agrees(theirs):
            continue
        margin = float(ours.margin(theirs))
        if margin <= TIE:
            ties += 1
        else:
            flips.append(Flip(row, ours.to_json(), theirs.to_json(), margin))
    return Parity(len(ids), widest, flips, ties)
