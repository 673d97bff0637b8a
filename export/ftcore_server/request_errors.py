"""What is wrong with a request, in a sentence: where, and what is expected there; none of pydantic's own names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import takewhile
from typing import Any

from pydantic import ValidationError

#: What pydantic calls the members of a union, in the locations of its errors.
_TEXT, _OBJECT = "constrained-str", "Input"


def sentence(error: ValidationError, document: object) -> str:
    """`FIELD: what is expected there`, of the first error.

    An input is a text or an object; where it may be either, pydantic reports on both, and what it is says which of the
    two was meant.

    Args:
        document: what was validated.
    """
    found: list[Any] = list(error.errors(include_url=False, include_context=False, include_input=False))
    either = any(_TEXT in one["loc"] for one in found)
    place = tuple(takewhile(lambda part: part not in (_TEXT, _OBJECT), found[0]["loc"]))
    value = _at(document, place)
    if either and not isinstance(value, (str, Mapping)):
        return f"{_joined(place)}: expected a text or an object"
    if either and isinstance(value, Mapping):
        inside = (one for one in found if one["loc"][: len(place)] == place)
        found = [one for one in inside if _OBJECT in one["loc"]] or found
    first = found[0]
    message = "expected an object" if first["type"] == "model_type" else first["msg"]
    return f"{_joined(first['loc'])}: {message}"


def _joined(location: Sequence[int | str]) -> str:
    return ".".join(str(part)[:60] for part in location if part not in (_TEXT, _OBJECT)) or "the body"


def _at(document: object, location: Sequence[int | str]) -> object:
    """The value at a location; None where there is none."""
    for part in location:
        if isinstance(document, Mapping):
            document = document.get(part)
        elif isinstance(document, list) and isinstance(part, int) and part < len(document):
            document = document[part]
        else:
            return None
    return document
