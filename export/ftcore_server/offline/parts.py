"""A folder of parts: which rows each has, which are written, and whether they belong to what is asked now.

A part takes its name once it is whole, so that whatever is there after a kill needs not be made again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore_runtime.errors import InputError
from ftcore_runtime.publishing import sweep, write_whole

PLAN = "parts.json"
_PARTS = 64  # of an input of usual size, so that no worker is left with more than another for long
_MOST_ROWS, _FEWEST_ROWS = 16384, 256  # of a part


@dataclass(frozen=True)
class Parts:
    """The parts of an output.

    Args:
        folder: theirs.
        count: rows of the input.
    """

    folder: Path
    count: int

    @property
    def rows(self) -> int:
        """Rows of each part but the last; it depends on the input alone, so that a run may go on with more workers."""
        return min(_MOST_ROWS, max(_FEWEST_ROWS, math.ceil(self.count / _PARTS)))

    def __len__(self) -> int:
        return math.ceil(self.count / self.rows)

    def path(self, number: int) -> Path:
        """Where a part is written."""
        return self.folder / f"part-{number:06d}.jsonl"

    def missing(self) -> list[int]:
        """The parts that are not there."""
        return [number for number in range(len(self)) if not self.path(number).exists()]

    def begin(self, settings: dict[str, Any]) -> None:
        """Make the folder, or find that it holds parts of the same.

        Args:
            settings: JSON of all that the answers depend on.

        Raises:
            InputError: it holds something else, or cannot be written.
        """
        plan = {**settings, "rows": self.count, "rows_of_a_part": self.rows}
        text = json.dumps(plan, indent=2) + "\n"
        file = self.folder / PLAN
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            sweep(self.folder)
            if not file.exists():
                if any(self.folder.iterdir()):
                    raise InputError("is not empty", where=str(self.folder), hint="give another --output")
                write_whole(file, [text.encode()])
            elif file.read_text(encoding="utf-8") != text:
                raise InputError(
                    f"holds the answers to something else, as its {PLAN} says",
                    where=str(self.folder),
                    hint="give another --output, or the bundle, input and options that it was begun with",
                )
        except OSError as error:
            raise InputError(f"cannot be written: {error.strerror}", where=str(self.folder)) from None

    def errors(self) -> Iterator[tuple[int, str]]:
        """Number and error of every row of all parts that could not be answered."""
        for number in range(len(self)):
            with self.path(number).open("rb") as file:
                for line in file:
                    if b'"error": ' in line and "error" in (found := json.loads(line)):
                        yield found["row"], found["error"]
