"""Words of a text as taggers see them: the least that an entity may consist of, whatever the tokenizer.

Letters and digits that follow one another are a word; a mark, an emoji, and a character of a script that puts no blanks
between words (or puts endings on its words without one, as Korean does) is a word of its own. What is attached to a
character (accents, vowel signs, joiners, modifiers) is never parted from it.

Addresses may be a word each as well: handles (@name), hashtags (#topic), URLs, and those of mail, as tokenizers of
tweets have it (O'Connor, Krieger and Ahn 2010).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

_BLANK, _LETTER, _SINGLE, _ATTACHED = range(4)
_JOINER = "\u200d"
# Thai, Lao, Myanmar, Hangul, Khmer, kana, bopomofo, Han with its extensions and compatibility forms.
_BY_CHARACTER = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u115f\u1780-\u17ff\u3040-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\U00020000-\U0003ffff]"
)
#: Ranges of scripts that put no blanks between words, of their marks, and of full-width forms: in no address.
NO_BLANKS = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3000-\u30ff\u3100-\u312f\u31a0-\u31ff\u3400-\u9fff\uf900-\ufaff"
    "\uff00-\uffef\U00020000-\U0003ffff"
)
_ADDRESS = re.compile(
    rf"(?<![a-zA-Z0-9_@#])[@#][^\W{NO_BLANKS}]+"  # handles and hashtags
    rf"|(?<![a-zA-Z0-9_])(?:https?://|www\.)[^\s{NO_BLANKS}]*[^\W{NO_BLANKS}]/?"
    r"|(?<![a-zA-Z0-9_.+-])[a-zA-Z0-9_.+-]+@[a-zA-Z0-9-]+(?:\.[a-zA-Z0-9-]+)+",
    re.IGNORECASE,
)
# Vowels and final consonants of decomposed Hangul; skin tones; the letters of flags that follow a black flag.
_MODIFIER = re.compile("[\u1160-\u11ff\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f]")


def word_starts(text: str, *, whole_addresses: bool = False) -> NDArray[np.bool_]:
    """Which characters begin a word, bool [characters]; blanks never do.

    Args:
        whole_addresses: see above; else their letters and marks are words of their own.
    """
    count = len(text)
    kinds = np.fromiter(map(_kind, text), np.int8, count)
    attached = kinds == _ATTACHED
    if _JOINER in text:
        joined = np.fromiter((character == _JOINER for character in text), bool, count)
        attached[1:] |= joined[:-1] & (kinds[1:] != _BLANK)
    attached[:1] = False
    attached[1:] &= kinds[:-1] != _BLANK
    index = np.arange(count)
    owners = kinds[np.maximum.accumulate(np.where(attached, 0, index))]  # what each is attached to, or itself
    starts: NDArray[np.bool_] = ~attached & (kinds != _BLANK)
    starts[1:] &= ~((kinds[1:] == _LETTER) & (owners[:-1] == _LETTER))
    if whole_addresses:
        for start, end in addresses(text):
            starts[start + 1 : end] = False
    return starts


def addresses(text: str) -> list[tuple[int, int]]:
    """Where handles, hashtags, URLs and addresses of mail begin and end."""
    return [found.span() for found in _ADDRESS.finditer(text)]


def word_ends(text: str, starts: NDArray[np.bool_]) -> NDArray[np.int32]:
    """For each character the place before which the word that it is in ends, int32 [characters]; of blanks their own.

    Args:
        starts: as `word_starts` gives them.
    """
    count = len(text)
    blank = np.fromiter(map(str.isspace, text), bool, count)
    stops = np.append(starts | blank, True)
    places = np.where(stops, np.arange(count + 1), count)
    following = np.minimum.accumulate(places[::-1])[::-1]
    return np.where(blank, np.arange(count), following[1:]).astype(np.int32)


@lru_cache(maxsize=65_536)
def _kind(character: str) -> int:
    if character.isspace():
        return _BLANK
    category = unicodedata.category(character)
    if category[0] == "M" or category == "Cf" or _MODIFIER.match(character):
        return _ATTACHED
    if _BY_CHARACTER.match(character):
        return _SINGLE
    return _LETTER if character.isalnum() or character == "_" else _SINGLE
