"""JSON as the standard has it: no NaN, no infinity, no key twice, no half of a surrogate pair, nesting that ends."""

from __future__ import annotations

import json
import math
import re
from typing import Any

_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
#: Digits of the largest double. A longer integer is out of range, and converting it would take quadratic time.
_MOST_DIGITS = 309
#: Half of them: an integer that is too long has as many digits in a row from some multiple of this number on.
_STRIDE = _MOST_DIGITS // 2
_MANY_DIGITS = re.compile(rf"\d{{{_STRIDE}}}", re.ASCII)


def loads(text: str, *, lone_surrogates: bool = False) -> Any:  # noqa: ANN401 (whatever the JSON holds)
    """Parse JSON, in time linear in its length.

    Args:
        lone_surrogates: whether texts may hold halves of surrogate pairs, where the caller looks at what it takes.

    Raises:
        ValueError: it is not valid, with what is wrong; never anything else.
    """
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=_refuse,
            parse_float=_finite,
            parse_int=_integer if _has_many_digits(text) else None,  # a vocabulary has tens of thousands
        )
        if not lone_surrogates and _SURROGATE.search(text):
            _require_unicode(value)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _has_many_digits(text: str) -> bool:
    """Whether an integer of it may be too long. Looks at few places: a search takes longer than parsing does."""
    return any(_MANY_DIGITS.match(text, place) for place in range(0, len(text), _STRIDE))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a key appears twice")
    return made


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _finite(digits: str) -> float:
    if not math.isfinite(number := float(digits)):
        raise ValueError("a number is out of range")
    return number


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS + digits.startswith("-"):
        raise ValueError("a number is out of range")
    return int(digits)


def _require_unicode(value: object) -> None:
    """Refuse texts that no encoder takes: an escape may spell half of a surrogate pair."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError("an escape is half of a surrogate pair") from None
