"""Lines of a run's `predictions.*.jsonl` whose answers are right or wrong as a whole, and the worst of them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.files import read_json_lines
from ftcore.runs.folder import RunFolder


def read_marked(path: Path, split: str) -> list[dict[str, Any]]:
    """The lines of a split, each of which says whether its answer is `correct`.

    Raises:
        UserError: the run was not evaluated, or its answers are not simply right or wrong.
    """
    file = RunFolder(path).predictions(split)
    if not file.is_file():
        raise UserError("this run was not evaluated yet", where=str(path), hint=f"ftcore evaluate {path}")
    read = list(read_json_lines(file))
    if not all("correct" in line for line in read):
        raise UserError(
            "its answers are not marked as right or wrong",
            where=str(file),
            hint=f"texts and numbers are not; an older run gets the marks with: ftcore evaluate {path}",
        )
    return read


def worst_errors(lines: Iterable[Mapping[str, Any]], count: int) -> list[Mapping[str, Any]]:
    """The wrong answers that the model was most certain of, at most `count`; no more lines are in memory."""
    wrong = (line for line in lines if line.get("correct") is False)
    return heapq.nlargest(count, wrong, key=lambda line: line.get("confidence") or 0.0)
