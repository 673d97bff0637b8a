"""Reads `predictions.*.jsonl` of a run whose answers are right or wrong as a whole."""

from __future__ import annotations

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
