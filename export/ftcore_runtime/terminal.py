"""Texts from outside on a terminal: they are shown, and never obeyed.

Control characters move the cursor, set titles or write files on some terminals; others turn the direction of what
follows, or take no room at all. Whatever a bundle, a file or a client brings goes through one of these two functions.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Delete and C1 controls, marks and overrides of direction, line separators, what has no width. The joiners U+200C and
# U+200D stay: Persian and emoji need them.
_OTHERS = r"\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060\u2066-\u2069\ufeff"
#: With C0 controls and halves of surrogate pairs.
_OBEYED = re.compile(rf"[\x00-\x1f{_OTHERS}\ud800-\udfff]")
_UNESCAPED = re.compile(f"[{_OTHERS}]")  # by JSON


def printable(text: str, *, lines: bool = False) -> str:
    """The text without characters that a terminal obeys: a tab becomes a blank, others U+FFFD.

    Args:
        lines: whether line feeds stay.
    """

    def shown(found: re.Match[str]) -> str:
        character = found[0]
        if character == "\t":
            return " "
        return character if lines and character == "\n" else "\N{REPLACEMENT CHARACTER}"

    return _OBEYED.sub(shown, text)


def json_text(value: object, **options: Any) -> str:  # noqa: ANN401 (those of json.dumps)
    """JSON that is as readable as can be: characters that a terminal obeys, and no others, are escaped.

    Half of a surrogate pair stays one: encode the text with `errors="backslashreplace"`, which makes an escape of it.
    """
    text = json.dumps(value, ensure_ascii=False, **options)
    return _UNESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", text)
