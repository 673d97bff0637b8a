"""A folder of parts, here or in a store: which rows each has, which are written, whether they are what is asked now.

A part takes its name once it is whole, so that whatever is there after a kill needs not be made again.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ftcore_runtime.errors import InputError
from ftcore_runtime.publishing import sweep, write_whole

PLAN = "parts.json"
_PARTS = 64  # of an input of usual size, so that no worker is left with more than another for long
_MOST_ROWS, _FEWEST_ROWS = 16384, 256  # of a part


class Folder(Protocol):
    """Where files are written, each whole or not at all; as text it is its name."""

    def names(self) -> set[str]:
        """What is in it; nothing where it is not there yet."""

    def read(self, name: str) -> bytes:
        """The content of a file."""

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file."""


@dataclass(frozen=True)
class LocalFolder:
    """A folder of this machine."""

    path: Path

    def __str__(self) -> str:
        return str(self.path)

    def names(self) -> set[str]:
        """What is in it, once it is made and without what a killed process left behind."""
        self.path.mkdir(parents=True, exist_ok=True)
        sweep(self.path)
        return {one.name for one in self.path.iterdir()}

    def read(self, name: str) -> bytes:
        """The content of a file."""
        return (self.path / name).read_bytes()

    def write(self, name: str, pieces: Iterable[bytes]) -> None:
        """Write a file."""
        write_whole(self.path / name, pieces)


@dataclass(frozen=True)
class Parts:
    """The parts of an output.

    Args:
        folder: theirs.
        count: rows of the input.
    """

    folder: Folder
    count: int

    @property
    def rows(self) -> int:
        """Rows of each part but the last; it depends on the input alone, so that a run may go on with more workers."""
        return min(_MOST_ROWS, max(_FEWEST_ROWS, math.ceil(self.count / _PARTS)))

    def __len__(self) -> int:
        return math.ceil(self.count / self.rows)

    @staticmethod
    def name(number: int) -> str:
        """What a part is called."""
        return f"part-{number:06d}.jsonl"

    def write(self, number: int, pieces: Iterable[bytes]) -> None:
        """Write a part."""
        self.folder.write(self.name(number), pieces)

    def missing(self) -> list[int]:
        """The parts that are not there."""
        there = self.folder.names()
        return [number for number in range(len(self)) if self.name(number) not in there]

    def begin(self, settings: dict[str, Any]) -> None:
        """Make the folder, or find that it holds parts of the same.

        Args:
            settings: JSON of all that the answers depend on.

        Raises:
            InputError: it holds something else, or cannot be written.
        """
        plan = {**settings, "rows": self.count, "rows_of_a_part": self.rows}
        text = json.dumps(plan, indent=2) + "\n"
        try:
            there = self.folder.names()
            if PLAN not in there:
                if there:
                    raise InputError("is not empty", where=str(self.folder), hint="give another --output")
                self.folder.write(PLAN, [text.encode()])
            elif self.folder.read(PLAN) != text.encode():
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
            for line in self.folder.read(self.name(number)).split(b"\n"):
                if b'"error": ' in line and "error" in (found := json.loads(line)):
                    yield found["row"], found["error"]
