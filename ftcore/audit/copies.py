"""Rows that are there more than once, equal or nearly so, in a split and across splits; and their labels."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ftcore.audit.duplicates import near_duplicates
from ftcore.audit.findings import Example, Finding, counted, kept
from ftcore.audit.texts import Texts

_LABELS_SHOWN = 3


@dataclass(frozen=True)
class Copies:
    """Which rows have an earlier one that is equal or nearly so.

    Args:
        equal: the first row with the same text, int64 [rows]; a row itself where there is none.
        near: the first row that is nearly the same, int64 [rows]; -1 where there is none, or an equal one.
        similarity: of `near`, float64 [rows].
    """

    equal: np.ndarray
    near: np.ndarray
    similarity: np.ndarray

    def earlier(self, split: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """The earlier row that each row repeats, int64 [rows], and how alike they are, float64 [rows].

        Of an equal and a nearly equal one it is that of the earlier split, or the equal one; -1 where there is none.

        Args:
            split: of each row, int8 [rows].
        """
        equal = np.where(self.equal < np.arange(len(self.equal)), self.equal, -1)
        near = self.near[self.equal]  # what is nearly equal to a row is so to all that are equal to it
        nearer = (near >= 0) & ((equal < 0) | (split[near] < split[equal]))
        return np.where(nearer, near, equal), np.where(nearer, self.similarity[self.equal], 1.0)


def find_copies(texts: Sequence[str], *, near: bool = True) -> Copies:
    """Compare all rows with one another.

    Args:
        texts: of the rows, without case and punctuation.
        near: look for nearly equal ones, too.
    """
    first: dict[str, int] = {}
    equal = np.array([first.setdefault(text, index) for index, text in enumerate(texts)], np.int64)
    different = np.fromiter(first.values(), np.int64, len(first))
    earlier = np.full(len(texts), -1, np.int64)
    similarity = np.zeros(len(texts))
    if near:
        links = near_duplicates([texts[index] for index in different])
        linked = links.earlier >= 0
        earlier[different[linked]] = different[links.earlier[linked]]
        similarity[different] = links.similarity
    return Copies(equal, earlier, similarity)


def repeated_rows(rows: Texts, copies: Copies) -> Iterator[Finding]:
    """Rows that repeat an earlier one of their split."""
    itself = np.arange(len(rows))
    for name in rows.names:
        own = np.isin(itself, rows.of_split(name))
        again = np.flatnonzero(own & (copies.equal < itself) & own[copies.equal])
        if len(again):
            what = f"{counted(len(again), 'row')} of {name} with the text of an earlier one"
            examples = [_pair(rows, index, int(copies.equal[index])) for index in again.tolist()]
            yield Finding("duplicates", "note", what, len(again), examples=kept(examples))
        near = np.flatnonzero(own & (copies.near >= 0) & own[copies.near])
        if len(near):
            what = f"{counted(len(near), 'row')} of {name} with nearly the text of an earlier one"
            pairs = [
                _pair(rows, index, int(copies.near[index]), float(copies.similarity[index]))
                for index in near.tolist()
            ]
            yield Finding("near duplicates", "note", what, len(near), examples=kept(pairs))


def leaked_rows(rows: Texts, copies: Copies, most: float | None) -> Iterator[Finding]:
    """Rows that are held out and were seen before: in training, or (of the test) where the model is chosen.

    Args:
        most: share of a split from which its rows of training are an error.
    """
    source, similarity = copies.earlier(rows.split)
    before = np.where(source >= 0, rows.split[source], len(rows.names))
    for number, name in enumerate(rows.names[1:], 1):
        own = rows.of_split(name)
        for other in range(number):
            there = own[before[own] == other]
            if not len(there):
                continue
            share = len(there) / len(own)
            error = other == 0 and most is not None and share > most
            exact = int((similarity[there] == 1).sum())
            what = f"{counted(len(there), 'row')} of {name} ({share:.1%}) found in {rows.names[other]}, too"
            what += f": {exact:,} equal, {len(there) - exact:,} nearly so"
            if error:
                what += f"; data.max_leakage allows {most:.1%}"
            hint = "leave one of each pair out of its file" if other == 0 else ""
            if error:
                hint += ", or allow more with data.max_leakage; `ftcore audit` lists them"
            pairs = [
                _pair(rows, index, int(source[index]), float(similarity[index])) for index in there.tolist()
            ]
            yield Finding(
                "leakage", "error" if error else "warning", what, len(there), hint, examples=kept(pairs)
            )


def contradictions(rows: Texts, copies: Copies) -> Iterator[Finding]:
    """Equal texts with different labels."""
    if rows.labels is None:
        return
    members: Mapping[int, list[int]] = defaultdict(list)
    for index in np.flatnonzero(np.bincount(copies.equal, minlength=len(rows))[copies.equal] > 1):
        members[int(copies.equal[index])].append(int(index))
    found = []
    for indices in members.values():
        labels = Counter(rows.labels[index] for index in indices)
        if len(labels) > 1:
            one_each = list({rows.labels[index]: index for index in indices[::-1]}.values())[::-1]
            note = ", ".join(
                f"{'|'.join(label) or 'none'} {count}" for label, count in labels.most_common(_LABELS_SHOWN)
            )
            found.append(Example(tuple(rows.row(index) for index in one_each[:_LABELS_SHOWN]), note))
    if found:
        what = f"{counted(len(found), 'text')} with different labels"
        hint = "decide on one label for each, or leave these rows out"
        yield Finding("contradictions", "warning", what, len(found), hint, kept(found))


def _pair(rows: Texts, index: int, other: int, similarity: float = 1.0) -> Example:
    note = "equal" if similarity == 1 else f"{similarity:.0%} alike"
    return Example((rows.row(index), rows.row(other)), note)
