"""The audit of rows, without a model and without torch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ftcore.audit.alignment import misplaced_answers
from ftcore.audit.contents import (
    answers_as_inputs,
    damaged_texts,
    equal_fields,
    idle_columns,
    markup,
    outliers,
    repeated_headers,
    texts_without_words,
)
from ftcore.audit.copies import contradictions, find_copies, leaked_rows, repeated_rows
from ftcore.audit.findings import Audit, Finding, ordered
from ftcore.audit.labels import label_findings, label_table
from ftcore.audit.odd_numbers import odd_numbers
from ftcore.audit.shortcuts import giveaway_words
from ftcore.audit.texts import Texts, plain
from ftcore.audit.unmarked_names import unmarked_names
from ftcore.data import Splits
from ftcore.data.sources import Opened
from ftcore.families.reader import Reader


def audit_rows(splits: Splits, reader: Reader[Any, Any], sources: Sequence[Opened]) -> Audit:
    """Look at the rows of a run.

    Args:
        sources: the files that they come from, for columns that the task does not read.
    """
    rows = Texts.of(splits, reader)
    sizes = {split.name: split.table.num_rows for split in splits}
    table = label_table(splits, reader)
    found = [*label_findings(table, sizes), *_findings(rows, splits, reader), *idle_columns(sources)]
    return Audit(sizes, table, _lengths(rows), ordered(found))


def _findings(rows: Texts, splits: Splits, reader: Reader[Any, Any]) -> Iterator[Finding]:
    if len(rows) < rows.all_rows:
        what = f"{len(rows):,} of {rows.all_rows:,} rows were looked at, evenly spaced; labels are counted in all"
        yield Finding("rows", "note", what, len(rows))
    alone = rows.compared is not rows.texts  # rows of a split have much in common, and only others must not
    copies = find_copies(rows.plain, near=not alone)
    across = find_copies([plain(text) for text in rows.compared]) if alone else copies
    yield from leaked_rows(rows, across, reader.spec.data.max_leakage)
    yield from contradictions(rows, copies)
    yield from repeated_headers(splits, reader)
    yield from giveaway_words(rows)
    yield from texts_without_words(rows)
    yield from equal_fields(rows)
    yield from odd_numbers(rows)
    yield from unmarked_names(rows)
    yield from outliers(rows)
    yield from damaged_texts(rows)
    yield from markup(rows)
    yield from answers_as_inputs(rows)
    yield from misplaced_answers(rows)
    yield from repeated_rows(rows, copies)


def _lengths(rows: Texts) -> dict[str, dict[str, int]]:
    """Characters of the texts of each split."""
    characters = np.array([len(text) for text in rows.texts])
    lengths = {}
    for name in rows.names:
        own = characters[rows.of_split(name)]
        middle, most = np.percentile(own, [50, 95]) if len(own) else (0, 0)
        lengths[name] = {
            "median characters": int(middle),
            "95th percentile of characters": int(most),
            "most characters": int(own.max(initial=0)),
        }
    return lengths
