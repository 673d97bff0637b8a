"""`ftcore.compare`: whether one run is better than another on the rows that both answered."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import RUNS_DIR
from ftcore.runs.comparison import answers_of_runs, compare_answers
from ftcore.scripting.run import Run
from ftcore.scripting.spec import StrPath

if TYPE_CHECKING:
    from ftcore.evaluation.comparison import Compared, Line


class Comparison:
    """Two runs on the test rows that both measured.

    Args:
        found: of the second with the first.
        left_out: rows that only one of them has.
    """

    def __init__(self, found: Compared, left_out: int) -> None:
        self._found = found
        self.left_out = left_out

    @property
    def sentence(self) -> str:
        """In plain words: whether the second is better than the first, by how much, on how many rows."""
        return self._found.sentence

    @property
    def rows(self) -> int:
        """How many rows both answered."""
        return self._found.found.rows

    @property
    def difference(self) -> float:
        """Share of right answers of the second less that of the first."""
        return self._found.found.difference

    @property
    def interval(self) -> tuple[float, float]:
        """95 % of the difference, by the paired bootstrap."""
        return self._found.found.low, self._found.found.high

    @property
    def p_value(self) -> float:
        """Of McNemar's exact test."""
        return self._found.p_value

    @property
    def fixed(self) -> Sequence[tuple[Line, Line]]:
        """Answers (the first's, the second's) to the rows that only the second gets right."""
        return self._found.fixed

    @property
    def broken(self) -> Sequence[tuple[Line, Line]]:
        """Answers (the first's, the second's) to the rows that only the first gets right."""
        return self._found.broken

    def to_json(self) -> dict[str, Any]:
        """As `ftcore compare --json` prints it."""
        return self._found.to_json()

    def __repr__(self) -> str:
        return f"Comparison({self.sentence!r})"

    def _repr_html_(self) -> str:
        from ftcore.report.cells import framed
        from ftcore.report.comparison import render_comparison

        return framed(render_comparison([self._found], self.left_out))


def compare(
    first: Run | StrPath,
    second: Run | StrPath,
    *,
    runs_dir: StrPath = RUNS_DIR,
) -> Comparison:
    """Compare two runs on the test rows that both measured, as `ftcore compare` does.

    Args:
        first, second: runs, their folders, or the names of their specs.
        runs_dir: where runs are looked up by name.

    Raises:
        UserError: one is no run or was not evaluated, or they have no row in common.
    """
    subjects = [str(one.path) if isinstance(one, Run) else os.fspath(one) for one in (first, second)]
    (found,), left_out = compare_answers(*answers_of_runs(subjects, Path(runs_dir)))
    return Comparison(found, left_out)
