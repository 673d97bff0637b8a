"""Names that are marked in most rows and left unmarked in some: a model learns from both, and is measured by both."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any

from ftcore.audit.findings import Example, Finding, counted, kept
from ftcore.audit.texts import Texts

_OFTEN = 3  # rows in which a name is marked at least, for the others to be worth a look
_MOSTLY = 0.5  # share of the places of a name that are marked, above which the others may have been forgotten
_CHARACTERS = 3  # of a name at least
_WORDS = 4  # of a name at most
_SHOWN = 6  # names in a sentence
_WORD = re.compile(r"\w+")


def unmarked_names(rows: Texts) -> Iterator[Finding]:
    """Nothing where answers are not places in the texts."""
    if not all(map(_marks, rows.answers)) or not any(rows.answers):
        return
    marked: Counter[str] = Counter()
    for text, spans in zip(rows.texts, rows.answers, strict=True):
        marked.update({text[span["start"] : span["end"]].casefold() for span in spans})
    names = {name for name, count in marked.items() if count >= _OFTEN and len(name) >= _CHARACTERS}
    unmarked: dict[str, list[int]] = defaultdict(list)
    for index, (text, spans) in enumerate(zip(rows.texts, rows.answers, strict=True)):
        for name, start, end in _occurrences(text, names):
            if all(end <= span["start"] or span["end"] <= start for span in spans):
                unmarked[name].append(index)
    forgotten = {
        name: places
        for name, places in unmarked.items()
        if marked[name] > _MOSTLY * (marked[name] + len(places))
    }
    if forgotten:
        ranked = sorted(forgotten, key=lambda name: (-marked[name] / len(forgotten[name]), name))
        places = {name: marked[name] + len(forgotten[name]) for name in ranked[:_SHOWN]}
        said = ", ".join(f"{name!r} in {len(forgotten[name]):,} of {all_:,}" for name, all_ in places.items())
        what = f"{counted(len(forgotten), 'name')} mostly marked, and left unmarked in places: {said}"
        found = [Example((rows.row(index),), name) for name in ranked for index in forgotten[name]]
        yield Finding(
            "unmarked names", "note", what, len(found), "see whether these were forgotten", kept(found)
        )


def _marks(answer: Any) -> bool:  # noqa: ANN401 (what `Reader.references` gives)
    """Whether an answer is a list of places in its text."""
    return isinstance(answer, list) and all(
        isinstance(one, Mapping) and {"start", "end", "label"} <= one.keys() for one in answer
    )


def _occurrences(text: str, names: set[str]) -> Iterator[tuple[str, int, int]]:
    """Where a text has one of some names as words of its own: the name, and its characters; the longest of a place."""
    words = [found.span() for found in _WORD.finditer(text)]
    done = 0
    for number, (start, _) in enumerate(words):
        if start < done:
            continue
        ends = [end for _, end in islice(words, number, number + _WORDS)]
        for end in reversed(ends):
            if (name := text[start:end].casefold()) in names:
                yield name, start, end
                done = end
                break
