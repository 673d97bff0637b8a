"""Which regular expressions a tokenizer may search texts with: those whose time is known to be linear in the text.

The engine of `tokenizers` backtracks, so an expression decides how long a text takes. A search is linear where no
attempt to match looks further than it takes, but for a bounded number of characters:

- of the parts of an alternative, only one that nothing can fail behind may repeat without a bound;
- alternatives that look at a whole run of white space may stand at the end, where `\\s+` takes what they looked at.

That holds for what BERT-like, GPT-like, Llama, Qwen and DeepSeek models split with. A few more are listed by name.
"""

from __future__ import annotations

import re

_MOST = 4096  # characters of an expression
_REPEATS = 256  # of the bounded choices of an alternative, multiplied

#: What a search may end with: each looks at white space that the next one takes.
_TAILS = (r"\s*[\r\n]+|\s+(?!\S)|\s+", r"\s*[\r\n]|\s+(?!\S)|\s+", r"\s+(?!\S)|\s+")

_UPPER, _LOWER = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"
_SUFFIX = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)?"
_WORDS = rf"[^\r\n\p{{L}}\p{{N}}]?{_UPPER}*{_LOWER}+%s|[^\r\n\p{{L}}\p{{N}}]?{_UPPER}+{_LOWER}*%s"
_REST = rf"| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{_TAILS[0]}"
#: Linear, though not of the form above: what an attempt looks at in vain is taken by the next alternative.
_KNOWN = frozenset(
    {
        _WORDS % (_SUFFIX, _SUFFIX) + r"|\p{N}{1,3}" + _REST,  # GPT-4o, Llama 4
        _WORDS % ("", "") + r"|\p{N}" + _REST,  # Mistral's Tekken
        r" ?[^(\s|[.,!?…。，、।۔،])]+",  # BLOOM: a class within a class
    }
)

# A class holds no other one, nor an intersection.
_CLASS = r"\[\^?(?:[^\[\]\\&]|&(?!&)|\\[^\w\s]|\\[rntsSdDwW]|\\[pP]\{\^?\w+\})+\]"
_ESCAPE = r"\\[pP]\{\^?\w+\}|\\[sSdDwWrnt]|\\[^\w\s]"
_LITERALS = r"\((?:\?i?:)?(?:\[\w+\]|[^()\[\]{}\\?*+.^$])+\)"
_PART = re.compile(
    rf"(?P<one>{_CLASS}|{_ESCAPE}|{_LITERALS}|[^\[\](){{}}\\?*+.^$|])"
    r"(?:(?P<simple>[?*+])[?+]?|\{(?P<least>\d{1,3})(?P<comma>,(?P<most>\d{1,3})?)?\})?"
)


def shortest_match(pattern: str) -> int | None:
    """Characters of the shortest match of a regular expression; None where its time is not known to be linear."""
    if len(pattern) > _MOST:
        return None
    if pattern in _KNOWN:
        return 1
    for tail in _TAILS:
        if pattern == tail or pattern.endswith(f"|{tail}"):
            pattern = pattern[: -len(tail) - 1]
            if not pattern:
                return 1
            found = _shortest(pattern)
            return None if found is None else min(1, found)
    return _shortest(pattern)


def _shortest(pattern: str) -> int | None:
    """The same of alternatives that need no others."""
    shortest, so_far, choices = [], 0, 1
    unbounded = False
    position = 0
    while position < len(pattern):
        if pattern[position] == "|":
            shortest.append(so_far)
            so_far, choices, unbounded = 0, 1, False
            position += 1
            continue
        part = _PART.match(pattern, position)
        if part is None:
            return None
        least, most = _repeats(part)
        if unbounded and least > 0:  # it may fail, and what repeats would give back one by one
            return None
        if part["one"].startswith("(") and most != 1:  # its alternatives may cut one text in many ways
            return None
        unbounded = unbounded or most is None
        choices *= 1 if most is None else most - least + 1
        if max(choices, least, most or 0) > _REPEATS or (most is not None and most < least):
            return None
        so_far += least
        position = part.end()
    return min([*shortest, so_far])


def _repeats(part: re.Match[str]) -> tuple[int, int | None]:
    """How often a part comes: at least, and at most (None: any number)."""
    if part["simple"]:
        return {"?": (0, 1), "*": (0, None), "+": (1, None)}[part["simple"]]
    if part["least"] is None:
        return 1, 1
    least = int(part["least"])
    if not part["comma"]:
        return least, least
    return least, int(part["most"]) if part["most"] else None
