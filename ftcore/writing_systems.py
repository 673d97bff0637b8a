"""The script that most of a text is written in: what it is measured by, and which base model knows it."""

from __future__ import annotations

import re

_SCRIPTS = {
    "Chinese": re.compile(r"[\u4e00-\u9fff]"),
    "Japanese": re.compile(r"[\u3040-\u30ff]"),
    "Korean": re.compile(r"[\uac00-\ud7af]"),
    "Cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "Arabic": re.compile(r"[\u0600-\u06ff]"),
    "Latin": re.compile(r"[A-Za-z\u00c0-\u024f]"),
}
#: Of them, those that put no blanks between words.
UNSPACED = frozenset({"Chinese", "Japanese"})


def script_of(text: str) -> str | None:
    """The script of most of a text's letters; None where it has none that is known."""
    if text.isascii():
        return "Latin" if _SCRIPTS["Latin"].search(text) else None
    found = {name: len(pattern.findall(text)) for name, pattern in _SCRIPTS.items()}
    if found["Japanese"] * 10 > found["Chinese"]:
        found["Japanese"] += found["Chinese"]
    best = max(found, key=found.__getitem__)
    return best if found[best] else None
