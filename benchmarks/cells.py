"""Results that a benchmark fills in one by one: a JSON Lines file that a later or a parallel call goes on with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Cell = dict[str, Any]


class Cells:
    """The results in a file.

    Args:
        path: made with the first result.
        key: the fields that say which result it is.
    """

    def __init__(self, path: Path, *key: str) -> None:
        self.path = path
        self.key = key
        self._done = {self._key(cell) for cell in self}

    def __iter__(self) -> Iterator[Cell]:
        if self.path.exists():
            yield from map(json.loads, self.path.read_text(encoding="utf-8").splitlines())

    def __contains__(self, cell: Mapping[str, Any]) -> bool:
        """Whether it is there already."""
        return self._key(cell) in self._done

    def add(self, cell: Cell, *silent: str) -> None:
        """Append one, and print it without the fields `silent`."""
        print(json.dumps({name: value for name, value in cell.items() if name not in silent}), flush=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(cell, ensure_ascii=False) + "\n")
        self._done.add(self._key(cell))

    def _key(self, cell: Mapping[str, Any]) -> tuple[Any, ...]:
        return tuple(cell[name] for name in self.key)
