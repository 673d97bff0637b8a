"""The rows of all splits as an audit looks at them: one text a row, its labels or its answer, and where it stands."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.audit.findings import MOST_EXAMPLES, Example, Row, row
from ftcore.data import Splits
from ftcore.data.tables import Split
from ftcore.families.reader import Reader, SupportsComparison, SupportsLabelCounts, input_text, labels_in
from ftcore.runs.parts import spaced

#: Rows that are looked at, evenly spaced where there are more: memory must not grow with the rows.
MOST_ROWS = 200_000
_HELD_OUT = 4  # of so many of them one may be of a split that is held out
_WORDS = re.compile(r"\w+")


def plain(text: str) -> str:
    """A text without case, punctuation and the kind of its blanks; one that has no words stays as it is."""
    words = _WORDS.findall(unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words) or text.strip()


@dataclass(frozen=True)
class Texts:
    """The rows of train, validation and test, one after another; of very many some, evenly spaced.

    Args:
        names: of the splits.
        split: index of each row's split in `names`, int8 [rows].
        texts: the inputs; several fields of one are joined by a line break.
        compared: the texts by which rows of different splits must differ; `texts` themselves in most families.
        answers: what is right.
        labels: each row's labels; None where rows have none.
        locations: `file:row` of each, string [rows].
        all_rows: how many there are.
    """

    names: tuple[str, ...]
    split: np.ndarray
    texts: Sequence[str]
    compared: Sequence[str]
    answers: Sequence[Any]
    labels: Sequence[tuple[str, ...]] | None
    locations: pa.ChunkedArray
    all_rows: int

    @classmethod
    def of(cls, splits: Splits, reader: Reader[Any, Any]) -> Texts:
        """The rows of a run."""
        texts: list[str] = []
        compared: list[str] = []
        answers: list[Any] = []
        looked_at = _some(list(splits))
        for split in looked_at:
            own = [input_text(given) for given in reader.inputs(split.table)]
            texts += own
            if isinstance(reader, SupportsComparison):
                compared += reader.compared(split.table)
            answers += reader.references(split.table)
        sizes = [split.table.num_rows for split in looked_at]
        return cls(
            tuple(split.name for split in splits),
            np.repeat(np.arange(len(sizes), dtype=np.int8), sizes),
            texts,
            compared or texts,
            answers,
            _labels(answers) if isinstance(splits.fitted, SupportsLabelCounts) else None,
            pa.chunked_array([chunk for split in looked_at for chunk in split.locations.chunks], pa.string()),
            sum(split.table.num_rows for split in splits),
        )

    def __len__(self) -> int:
        return len(self.texts)

    @cached_property
    def plain(self) -> list[str]:
        """`plain` of the texts."""
        return [plain(text) for text in self.texts]

    def row(self, index: int) -> Row:
        """A row for an example."""
        return row(self.locations[int(index)].as_py(), self.texts[index])

    def examples(self, indices: Iterable[int]) -> tuple[Example, ...]:
        """An example of each of the first of some rows."""
        return tuple(Example((self.row(index),)) for index in islice(indices, MOST_EXAMPLES))

    def of_split(self, name: str) -> np.ndarray:
        """Indices of the rows of a split, ascending."""
        return np.flatnonzero(self.split == self.names.index(name))


def _some(splits: Sequence[Split]) -> list[Split]:
    """The splits, the first of which is of training, or some of their rows."""
    train, *others = splits
    held_out = [spaced(split, MOST_ROWS // _HELD_OUT) for split in others]
    return [spaced(train, MOST_ROWS - sum(split.table.num_rows for split in held_out)), *held_out]


def _labels(answers: Sequence[Any]) -> list[tuple[str, ...]] | None:
    """The labels of each row, where its answer is one label or some of them."""
    if answers and all(isinstance(answer, str) for answer in answers):
        return [(answer,) for answer in answers]
    if answers and all(isinstance(answer, list) for answer in answers):
        return [tuple(map(str, labels_in(answer))) for answer in answers]
    return None
