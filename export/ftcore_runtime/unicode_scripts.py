"""Scripts by the names that Unicode has for their letters: Latin, Cyrillic, Han, Arabic..."""

from __future__ import annotations

import sys
import unicodedata
from functools import cache

#: Scripts whose letters have another first word in their names.
_FIRST_WORDS = {"HAN": "CJK"}


def script_of(character: str) -> str:
    """The first word of a letter's name, which is that of its script (CJK for Han); empty where it has no name."""
    return unicodedata.name(character, "").partition(" ")[0].partition("-")[0]


def first_word(script: str) -> str:
    """What `script_of` gives for letters of a script, whatever its spelling."""
    return _FIRST_WORDS.get(script.strip().upper(), script.strip().upper())


@cache
def known_scripts() -> frozenset[str]:
    """The scripts of all letters there are, as `script_of` gives them; a look at every code point, once (0.5 s)."""
    letters = filter(str.isalpha, map(chr, range(sys.maxunicode + 1)))
    return frozenset(map(script_of, letters)) - {""}
