"""Rows that do not belong: repeated headers, other scripts and languages, texts that are damaged, or are none."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from ftcore.audit.findings import Example, Finding, counted, kept, row
from ftcore.audit.texts import Texts, plain
from ftcore.data import Splits
from ftcore.data.columns import look_at
from ftcore.data.sources import Opened
from ftcore.families.reader import Reader
from ftcore.writing_systems import script_of

_MOSTLY = 0.9  # share of the rows whose script is that of the texts
_FEWEST_ROWS = 500  # for a vocabulary that other rows can be measured by
_FEWEST_WORDS = 5  # of a text that is measured by it
_KNOWN = 400  # of so many rows one at least has a word that the language often needs
_FOREIGN = 0.21  # share of such words below which a text is in another language, or in none
_TYPICAL = 0.5  # of the median text, below which the rows say nothing of a language
_MOST = 0.5  # share of the rows that are so from which the column itself may be another one
_MARKED_UP = 0.01  # share of the rows from which markup is worth a word
_WORD = re.compile(r"[^\W\d_]{2,}")
#: A character that no encoding has, or UTF-8 that was read as Latin-1.
_DAMAGED = re.compile("\ufffd|[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac")
#: A tag or an entity of HTML.
_MARKUP = re.compile(r"</?[a-zA-Z][^<>]{0,200}>|&(?:[a-zA-Z]{2,8}|#[0-9]{1,6});")


def repeated_headers(splits: Splits, reader: Reader[Any, Any]) -> Iterator[Finding]:
    """Rows whose texts are the names of their columns: a header in the middle of a file."""
    names = {
        field: column.strip().casefold()
        for field, column in reader.columns.items()
        if field in reader.schema.names and str(reader.schema.field(field).type) == "string"
    }
    found = []
    for split in splits if names else ():
        columns = {field: split.table[field].to_pylist() for field in names}
        for index, values in enumerate(zip(*columns.values(), strict=True)):
            if all(
                (value or "").strip().casefold() == names[f] for f, value in zip(columns, values, strict=True)
            ):
                location = split.locations[index].as_py()
                found.append(Example((row(location, ", ".join(values)),)))
    if found:
        what = f"{counted(len(found), 'row')} that repeat the header"
        yield Finding(
            "repeated headers", "warning", what, len(found), "take them out of the file", kept(found)
        )


def outliers(rows: Texts) -> Iterator[Finding]:
    """Texts in another script than nearly all, and texts whose words other rows do not have."""
    scripts = [script_of(text) for text in rows.texts]
    counts = Counter(script for script in scripts if script)
    usual, most = counts.most_common(1)[0] if counts else ("", 0)
    if most < _MOSTLY * counts.total() or not counts:
        if counts:
            mix = ", ".join(f"{script} {count:,}" for script, count in counts.most_common(4))
            yield Finding("scripts", "note", f"the texts are in several scripts: {mix}", len(rows))
        return
    other = [index for index, script in enumerate(scripts) if script and script != usual]
    if other:
        what = f"{counted(len(other), 'row')} in another script than {usual}"
        found = [Example((rows.row(index),), scripts[index] or "") for index in other]
        yield Finding("scripts", "warning", what, len(other), "see whether they belong here", kept(found))
    if foreign := _foreign(rows.texts, set(other)):
        what = f"{counted(len(foreign), 'row')} whose words hardly any other row has: another language, or no words"
        found = [Example((rows.row(index),), f"{share:.0%} of its words known") for index, share in foreign]
        yield Finding("languages", "warning", what, len(foreign), "see whether they belong here", kept(found))


def _foreign(texts: Sequence[str], left_out: set[int]) -> list[tuple[int, float]]:
    """Rows that share few words with the others, and the share, the least first; none of few rows, or without words."""
    words = [
        () if index in left_out else tuple(set(_WORD.findall(text.casefold())))
        for index, text in enumerate(texts)
    ]
    rows_with = Counter(word for one in words for word in one)
    measured = [index for index, one in enumerate(words) if len(one) >= _FEWEST_WORDS]
    if len(measured) < _FEWEST_ROWS:
        return []
    known = max(3, len(measured) // _KNOWN)
    shares = np.array([np.mean([rows_with[word] > known for word in words[index]]) for index in measured])
    if np.median(shares) < _TYPICAL:  # a script without blanks, or texts of names and numbers
        return []
    order = np.argsort(shares, kind="stable")
    return [(measured[index], float(shares[index])) for index in order if shares[index] < _FOREIGN]


def texts_without_words(rows: Texts) -> Iterator[Finding]:
    """Most texts have no letter: numbers, or a column of something else."""
    found = [index for index, text in enumerate(rows.texts) if not any(map(str.isalpha, text))]
    if len(found) > _MOST * len(rows):
        what = f"{len(found):,} of {len(rows):,} texts have no letter: numbers, or signs alone"
        hint = "see whether this is the column of the texts (`data.columns`)"
        yield Finding("texts without words", "warning", what, len(found), hint, rows.examples(found))


def equal_fields(rows: Texts) -> Iterator[Finding]:
    """Most inputs are two texts that are the same: one column was given twice, perhaps."""
    found = [
        index
        for index, text in enumerate(rows.texts)
        if text[(half := len(text) // 2) :][:1] == "\n" and text[:half] == text[half + 1 :]
    ]
    if len(found) > _MOST * len(rows):
        what = f"the two texts of {len(found):,} of {len(rows):,} rows are the same"
        hint = "see whether both columns are the right ones (`data.columns`)"
        yield Finding("equal fields", "warning", what, len(found), hint, rows.examples(found))


def markup(rows: Texts) -> Iterator[Finding]:
    """Tags and entities of HTML, which the model reads as words."""
    found = [index for index, text in enumerate(rows.texts) if _MARKUP.search(text)]
    if len(found) > max(1, _MARKED_UP * len(rows)):
        what = f"{counted(len(found), 'row')} with tags or entities of HTML, which are read as words"
        hint = "take them out, unless the texts that come later have them, too"
        yield Finding("markup", "note", what, len(found), hint, rows.examples(found))


def damaged_texts(rows: Texts) -> Iterator[Finding]:
    """Texts that were read in the wrong encoding once, and written so."""
    found = [index for index, text in enumerate(rows.texts) if _DAMAGED.search(text)]
    if found:
        what = (
            f"{counted(len(found), 'row')} with damaged characters: they were read in a wrong encoding once"
        )
        hint = "repair them at their source"
        yield Finding("damaged texts", "warning", what, len(found), hint, rows.examples(found))


def answers_as_inputs(rows: Texts) -> Iterator[Finding]:
    """Rows whose answer is a text, and that of the input: nothing was translated, or summed up."""
    if rows.labels is not None:
        return
    found = [
        index
        for index, (text, answer) in enumerate(zip(rows.texts, rows.answers, strict=True))
        if isinstance(answer, str) and plain(answer) == plain(text)
    ]
    if found:
        what = f"{counted(len(found), 'row')} whose answer is the input"
        hint = "see whether they are meant so"
        yield Finding("answers as inputs", "warning", what, len(found), hint, rows.examples(found))


def idle_columns(sources: Sequence[Opened]) -> Iterator[Finding]:
    """Columns of the files that have no value in any row, or the same in all."""
    for source in sources:
        columns = look_at(source.records())
        rows = columns.rows - columns.bad
        empty = [repr(name) for name, column in columns.named.items() if not column.filled]
        same = [
            repr(name)
            for name, column in columns.named.items()
            if column.filled == rows > 1 and column.different == 1
        ]
        for names, what in ((empty, "without any value"), (same, "with one value in all rows")):
            if names:
                said = f"{source.name}: {counted(len(names), 'column')} {what}: {', '.join(names)}"
                yield Finding("columns", "note", said, len(names))
