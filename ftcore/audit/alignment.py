"""Inputs and written answers that do not belong together: mixed up, moved by rows, the wrong way round, all alike."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ftcore.audit.findings import Example, Finding, counted, kept
from ftcore.audit.texts import Texts
from ftcore.writing_systems import UNSPACED, script_of

Floats = NDArray[np.float64]

_FEWEST = 200  # rows of which something can be said
_STRETCH = 100  # rows one after another that show whether answers have moved
_FURTHEST = 2  # rows by which they are looked for
_DISTANCES = range(-_FURTHEST, _FURTHEST + 1)
_FITS, _DOES_NOT = 0.5, 0.2  # correlations of lengths where answers belong to inputs, and where they do not
_SIGNIFICANT = 4.0  # standard errors
_KNOWN = 3  # rows that have a word before it counts for a language, and such words in a text
_APART = 1.5  # how far inputs and answers are apart in their words where these are of two languages
_TURNED = -1.0  # where the two are swapped
_SOME = 20_000  # rows whose words are compared: to look at those of all would take minutes
_READ = 2_000  # characters of a text of which the words are looked at
_MOSTLY = 0.5  # share of the rows with one answer from which little is learnt


def misplaced_answers(rows: Texts) -> Iterator[Finding]:
    """What is wrong with written answers as answers to these inputs; nothing where answers are of another kind."""
    if rows.labels is not None or not all(isinstance(answer, str) for answer in rows.answers):
        return
    answer, times = Counter(rows.answers).most_common(1)[0] if rows.answers else ("", 0)
    if len(rows) >= _FEWEST and times > _MOSTLY * len(rows):
        what = f"{times:,} of {len(rows):,} rows have one answer: {answer!r:.80}"
        yield Finding("one answer", "warning", what, times, "a model learns to say that always")
    if len(rows) < _FEWEST or len(set(rows.answers)) < _MOSTLY * len(rows):
        return  # few, or names of classes
    if moved := [*_moved(rows, _in_file_order(rows))]:
        yield from moved
    elif not _belong_together(rows):
        what = (
            "the answers fit their inputs no better than those of other rows: neither by length nor by words"
        )
        yield Finding("misplaced answers", "warning", what, len(rows), "see whether rows were mixed up")
    yield from _swapped(rows)


def _in_file_order(rows: Texts) -> NDArray[np.int64]:
    """The rows as they stand in their files, whatever split they are in."""
    places = [location.rpartition(":") for location in rows.locations.to_pylist()]
    files = {name: number for number, name in enumerate(dict.fromkeys(file for file, _, _ in places))}
    keys = [(files[file], int(row) if row.isdecimal() else 0) for file, _, row in places]
    return np.array(sorted(range(len(keys)), key=keys.__getitem__), np.int64)


def _moved(rows: Texts, order: NDArray[np.int64]) -> Iterator[Finding]:
    """Stretches of a file whose answers have the lengths of inputs some rows before or after them, or their words."""
    inputs, answers = (_lengths(texts)[order] for texts in (rows.texts, rows.answers))
    last = len(order) - _STRETCH
    found: dict[int, set[int]] = {}
    for start in {*range(0, last, _STRETCH // 2), last}:
        here = slice(start + _FURTHEST, start + _STRETCH - _FURTHEST)
        fits = {
            by: _correlation(inputs[here], answers[here.start + by : here.stop + by]) for by in _DISTANCES
        }
        if fits[0] > _FITS:
            continue  # they are in their places
        best = max(fits, key=fits.__getitem__)
        if fits[best] <= _FITS or fits[0] >= _DOES_NOT:  # lengths say nothing
            best = _best_by_words(rows, order[start : start + _STRETCH]) if start < _SOME else 0
        if best:
            found.setdefault(best, set()).update(range(start, start + _STRETCH))
    for by, places in found.items():
        way = "before" if by < 0 else "after"
        what = f"the answers of about {len(places):,} rows stand {counted(abs(by), 'row')} {way} their inputs"
        hint = "a line is missing, or is one too many, in the inputs or in the answers, at or before the first of these"
        first = Example((rows.row(order[min(places)]),), "from about here")
        yield Finding("misplaced answers", "warning", what, len(places), hint, (first,))


def _belong_together(rows: Texts) -> bool:
    """Whether answers have something of their inputs that they have not of others: their lengths, or their words."""
    lengths = _correlation(_lengths(rows.texts), _lengths(rows.answers))
    if lengths * np.sqrt(len(rows)) > _SIGNIFICANT:
        return True
    some = _spaced(len(rows))
    others = [*some[len(some) // 2 :], *some[: len(some) // 2]]
    gain = [
        _shared(_words(rows.texts[own]), answer) - _shared(_words(rows.texts[other]), answer)
        for own, other in zip(some, others, strict=True)
        for answer in [_words(rows.answers[own])]
    ]
    return _is_above_zero(np.array(gain))


def _best_by_words(rows: Texts, stretch: NDArray[np.int64]) -> int:
    """How far off the answers are whose words the inputs have, by more than chance; 0 where that is their own."""
    inputs = [_words(rows.texts[index]) for index in stretch]
    answers = [_words(rows.answers[index]) for index in stretch]
    inner = range(_FURTHEST, len(stretch) - _FURTHEST)
    shared = {
        by: np.array([_shared(inputs[place], answers[place + by]) for place in inner]) for by in _DISTANCES
    }
    best = max(_DISTANCES, key=lambda by: shared[by].sum())
    return best if _is_above_zero(shared[best] - shared[0]) else 0


def _swapped(rows: Texts) -> Iterator[Finding]:
    """Rows whose input is in the language of the answers, and whose answer is in that of the inputs."""
    some = _spaced(len(rows))
    among_inputs, among_answers = (
        Counter(word for index in some for word in _words(texts[index]))
        for texts in (rows.texts, rows.answers)
    )
    side = {
        word: math.log((among_inputs[word] + 0.5) / (among_answers[word] + 0.5))
        for word in among_inputs | among_answers
        if among_inputs[word] + among_answers[word] >= _KNOWN
    }

    def apart(index: int) -> float:
        """How much more of the inputs' language the input has than the answer; not a number where little is known."""
        both = [
            [side[word] for word in _words(texts[index]) if word in side]
            for texts in (rows.texts, rows.answers)
        ]
        of_input, of_answer = (sum(one) / len(one) if len(one) >= _KNOWN else math.nan for one in both)
        return of_input - of_answer

    known = [value for value in map(apart, some) if not math.isnan(value)]
    if len(known) < _FEWEST or np.median(known) < _APART:
        return  # inputs and answers are in one language
    if found := [index for index in range(len(rows)) if apart(index) < _TURNED]:
        what = f"{counted(len(found), 'row')} whose input and answer are the wrong way round, by their words"
        examples = [Example((rows.row(index),), f"-> {rows.answers[index]:.60}") for index in found]
        hint = "swap the two, or leave the rows out"
        yield Finding("swapped answers", "warning", what, len(found), hint, kept(examples))


def _spaced(rows: int) -> list[int]:
    """Indices of `_SOME` rows, evenly spaced, or of all."""
    return [int(index) for index in np.linspace(0, rows - 1, min(rows, _SOME))]


def _words(text: str) -> set[str]:
    """The words of a text, of its beginning if it is long; its characters where its script has no blanks."""
    read = text[:_READ]
    return set(read) - {" "} if script_of(read) in UNSPACED else set(read.casefold().split())


def _shared(given: set[str], answer: set[str]) -> float:
    """The share of the answer's words that the input has."""
    return len(answer & given) / max(1, len(answer))


def _is_above_zero(values: Floats) -> bool:
    """Whether their mean is, by more than chance."""
    return bool(values.mean() * np.sqrt(len(values)) > _SIGNIFICANT * values.std())


def _lengths(texts: Sequence[str]) -> Floats:
    return np.log1p([len(text) for text in texts])


def _correlation(first: Floats, second: Floats) -> float:
    """Pearson's; 0 where one of them is constant."""
    if not first.std() or not second.std():
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])
