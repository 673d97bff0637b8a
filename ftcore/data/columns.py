"""What the columns of a source hold: texts, numbers or lists, how many different values, how long; in one pass."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ftcore.families.reader import finite_number
from ftcore.writing_systems import UNSPACED, script_of
from ftcore_runtime.records import Record

MOST_ROWS = 200_000
_MOST_COLUMNS = 500
_SAMPLE = 1000  # values kept of a column
_VALUES = 5000  # different short values that are counted
_SHORT = 80  # characters of a value that may be a label


@dataclass
class Column:
    """One column, filled in row by row.

    Args:
        filled: rows with a value.
        texts, numbers, integers, lists: rows whose value is one; text that is a number counts as both.
        characters, words: in all texts.
        counts: rows of each short value, of the first 5,000 values.
        hashes: of all values.
        sample: the first values.
    """

    name: str
    filled: int = 0
    texts: int = 0
    numbers: int = 0
    integers: int = 0
    lists: int = 0
    characters: int = 0
    words: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    hashes: set[int] = field(default_factory=set)
    sample: list[Any] = field(default_factory=list)

    def add(self, value: Any) -> None:  # noqa: ANN401 (a cell)
        """Look at one value."""
        if value is None or (isinstance(value, str) and not value.strip()) or value != value:
            return
        self.filled += 1
        if len(self.sample) < _SAMPLE:
            self.sample.append(value)
        if isinstance(value, list | dict):
            self.lists += 1
            self.hashes.add(hash(repr(value)))
            return
        text = str(value).lower() if isinstance(value, bool) else str(value).strip()
        if isinstance(value, str):
            self.texts += 1
            self.characters += len(text)
            self.words += text.count(" ") + 1
        number = finite_number(value)
        self.numbers += number is not None
        self.integers += number is not None and number.is_integer()
        if len(text) <= _SHORT and (text in self.counts or len(self.counts) < _VALUES):
            self.counts[text] += 1
        self.hashes.add(hash(text))

    @property
    def different(self) -> int:
        """Values."""
        return len(self.hashes)

    @property
    def mean_characters(self) -> float:
        """Of a text."""
        return self.characters / max(1, self.texts)

    @property
    def mean_words(self) -> float:
        """Of a text; where a script puts no blanks between words, two characters count as one."""
        blanks = self.words / max(1, self.texts)
        return max(blanks, self.mean_characters / 2) if self.script in UNSPACED else blanks

    @property
    def script(self) -> str | None:
        """Of most of its letters; None where there are none."""
        return script_of(" ".join(value for value in self.sample if isinstance(value, str))[:100_000])


@dataclass(frozen=True)
class Columns:
    """The columns of a source, by name, in the order of the source.

    Args:
        rows: that were looked at.
        whole: whether these are all.
        bad: rows that cannot be read.
        problem: where the first of these is, and what is wrong with it.
    """

    named: dict[str, Column]
    rows: int
    whole: bool
    bad: int
    problem: tuple[str, str] | None = None


def look_at(records: Iterable[Record]) -> Columns:
    """Look at the first 200,000 rows, and in them at the first 500 columns."""
    named: dict[str, Column] = {}
    problem: tuple[str, str] | None = None
    rows = bad = 0
    for record in records:
        if rows == MOST_ROWS:
            return Columns(named, rows, False, bad, problem)
        rows += 1
        if record.problem or record.values is None:
            bad += 1
            problem = problem or (record.location, record.problem)
            continue
        for name, value in record.values.items():
            if name not in named:
                if len(named) == _MOST_COLUMNS:
                    continue
                named[name] = Column(name)
            named[name].add(value)
    return Columns(named, rows, True, bad, problem)
