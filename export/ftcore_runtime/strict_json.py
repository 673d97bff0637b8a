"""JSON as the standard has it: no NaN, no infinity, no key twice, nesting that ends."""

from __future__ import annotations

import json
import math
from typing import Any


def loads(text: str) -> Any:  # noqa: ANN401 (whatever the JSON holds)
    """Parse JSON.

    Raises:
        ValueError: it is not valid, with what is wrong; never anything else.
    """
    try:
        return json.loads(text, object_pairs_hook=_once, parse_constant=_refuse, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise ValueError(f"{error.msg} at line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
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
