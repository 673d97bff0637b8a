"""What the name of a label says to a sentence encoder."""

from __future__ import annotations

import re

#: Where a word of `cardArrival` or `HTTPError` begins.
_WORD = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
#: Letters that a name has at least, where a letter is less than a word; and the scripts in which it is one.
_LETTERS, _IDEOGRAPHS = 3, re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")


def in_words(name: str) -> str:
    """`card_arrival`, `card-arrival` and `cardArrival` as words with spaces between them."""
    return " ".join(_WORD.sub(" ", name.replace("_", " ").replace("-", " ")).split()) or name


def is_a_word(text: str) -> bool:
    """Whether a label's text may mean something: `3`, `B2` and `c1` do not; no more does `LABEL 0`."""
    letters = sum(letter.isalpha() for letter in text)
    return (letters >= _LETTERS or bool(_IDEOGRAPHS.search(text))) and not re.fullmatch(
        r"(?i)(label|class|category) ?\d+", text
    )
