"""Labels that are one to people and several to a model: by case, blanks, what nobody sees, or forms of a number."""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence

_SHOWN = 8  # labels named in a message
_BLANKS = re.compile(r"(?<=\w)[\s_-]+(?=\w)")
_LETTERS = re.compile(r"[^\W\d_]+")
_NUMBER = re.compile(r"[+-]?[0-9]{1,300}(?:\.[0-9]{1,300})?")
#: Alphabets with letters that look like one another's, as their letters' names begin.
_ALIKE = {"LATIN", "CYRILLIC", "GREEK"}
#: What stands in a file where there was no value, once it is text.
_NOTHING = {
    "nan",
    "NaN",
    "NAN",
    "None",
    "null",
    "NULL",
    "n/a",
    "N/A",
    "NA",
    "#N/A",
    "<NA>",
    "NaT",
    "undefined",
}


def spelled(label: str) -> str:
    """A label without case, outer space, the kind of its blanks and what nobody sees of it; of a number its value."""
    seen = "".join(character for character in label if unicodedata.category(character) != "Cf")
    plain = _BLANKS.sub(" ", unicodedata.normalize("NFKC", seen).casefold().strip())
    if _NUMBER.fullmatch(plain):
        whole, _, fraction = plain.lstrip("+").partition(".")
        sign, digits = ("-", whole[1:]) if whole.startswith("-") else ("", whole)
        value = f"{digits.lstrip('0') or '0'}.{fraction.rstrip('0')}".rstrip(".")
        return value if value == "0" else sign + value
    return plain


def variants(labels: Iterable[str]) -> list[list[str]]:
    """The labels that are written in several ways, each in all of them."""
    written = defaultdict(list)
    for label in labels:
        written[spelled(label)].append(label)
    return [names for names in written.values() if len(names) > 1]


def is_number(label: str) -> bool:
    """Whether a label is a number in digits, such as -1 or 0.25."""
    return _NUMBER.fullmatch(label) is not None


def mixes_alphabets(label: str) -> bool:
    """Whether a word of a label has letters of two alphabets that share shapes: most likely one was meant."""
    return any(
        len({unicodedata.name(letter, "").split(" ")[0] for letter in word} & _ALIKE) > 1
        for word in _LETTERS.findall(label)
    )


def means_nothing(label: str) -> bool:
    """Whether a label is what programs write where a value was missing."""
    return label in _NOTHING


def unknown_label(label: str, known: Sequence[str]) -> str:
    """That a label is none of those that are known, and which of them it is but for its spelling."""
    shown = ", ".join(known[:_SHOWN]) + (", ..." if len(known) > _SHOWN else "")
    what = f"unknown label {label!r:.80}; the labels are {shown}"
    if alike := [name for name in known if spelled(name) == spelled(label)]:
        what += f"; {alike[0]!a} differs from {label!a} by its spelling alone"
    return what
