"""Changed copies of the training rows, for a teacher to answer and a student to learn from.

A student learns what a teacher does from the teacher's answers, so that texts are enough, and texts that nobody would
write serve as well: Tang et al. 2019 (arXiv:1903.12136) cut and blur those that there are.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from itertools import islice
from typing import Any

import pyarrow as pa

from ftcore.data.tables import Split
from ftcore.data.word_changes import delete_words, words_among
from ftcore.errors import UserError
from ftcore.families.reader import Reader, SupportsAugmentation
from ftcore_runtime.segmentation import words

FIELD = "training.distillation.copies"

_CUT = 0.25  # chance of a text to be cut to some words in a row
_OTHER, _LEFT_OUT = 0.1, 0.1  # chance of each word to become one of another row, and to be left out
_WORDS_OF = 10_000  # rows, whose words replace others
_MOST = 2_000_000  # rows in all


def check_copies(reader: Reader[Any, Any], rows: int, copies: int) -> Sequence[str]:
    """The columns that copies of so many rows change.

    Raises:
        UserError: there would be too many rows, or there is no text that may be changed.
    """
    texts = reader.texts if isinstance(reader, SupportsAugmentation) else ()
    if not texts:
        what = "the texts of this task must stay as they are: its references point into them"
        raise UserError(what, where=FIELD, hint="leave it out")
    if (made := rows * (1 + copies)) > _MOST:
        what = f"makes {made:,} rows of {rows:,}, more than {_MOST:,}"
        raise UserError(what, where=FIELD, hint="make fewer: of many rows copies are not needed")
    return texts


def with_copies(rows: Split, reader: Reader[Any, Any], copies: int, seed: int) -> Split:
    """The rows, followed by so many changed copies of each; what a copy becomes depends on seed, row and number alone.

    Raises:
        UserError: see `check_copies`.
    """
    texts = check_copies(reader, rows.table.num_rows, copies)
    columns = {name: rows.table[name].to_pylist() for name in texts}
    others = [
        word for column in columns.values() for text in islice(column, _WORDS_OF) for word in _words_of(text)
    ]
    tables, locations = [rows.table], [rows.locations]
    for number in range(1, copies + 1):
        table = rows.table
        for name, column in columns.items():
            made = [
                _changed(text, others, random.Random(f"{seed} {number} {row} {name}"))
                for row, text in enumerate(column)
            ]
            field = table.schema.field(name)
            table = table.set_column(table.schema.get_field_index(name), field, pa.array(made, field.type))
        tables.append(table)
        named = [f"{location} (copy {number})" for location in rows.locations.to_pylist()]
        locations.append(pa.chunked_array([pa.array(named, rows.locations.type)]))
    return Split(
        f"{rows.name}, {copies} copies by seed {seed}",
        pa.concat_tables(tables),
        pa.chunked_array([chunk for one in locations for chunk in one.chunks], rows.locations.type),
    )


def _changed(text: str, others: Sequence[str], draw: random.Random) -> str:
    spans = words(text)
    if draw.random() < _CUT and len(spans) > 3:
        size = draw.randint(2, len(spans))
        first = draw.randint(0, len(spans) - size)
        text = text[spans[first][0] : spans[first + size - 1][1]]
        spans = words(text)
    made, at = [], 0
    for begin, end in (spans[index] for index in words_among(text, spans)):
        if draw.random() < _OTHER:
            made += [text[at:begin], draw.choice(others)]
            at = end
    return delete_words("".join([*made, text[at:]]), _LEFT_OUT, draw)


def _words_of(text: str) -> list[str]:
    spans = words(text)
    return [text[slice(*spans[index])] for index in words_among(text, spans)]
