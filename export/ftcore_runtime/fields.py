"""Reads one JSON object strictly: every key named, every type exact, nothing left over."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar

from ftcore_runtime.errors import BundleError

T = TypeVar("T")


#: Of a token; `tokenizers` keeps ids in 32 bits.
LARGEST_ID = 2**31 - 1


class Fields:
    """Hands out the fields of a JSON object one by one; `end` refuses the keys that nobody asked for.

    Args:
        value: what the JSON holds at this location.
        where: the location, for error messages (`bundle.json: encoder`).

    Raises:
        BundleError: here and in every method, when the value is not what the reader asked for.
    """

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, Mapping):
            raise BundleError(f"expected an object, got {_kind(value)}", where=where)
        self.where = where
        self._left: dict[str, Any] = dict(value)

    def take(self, key: str, kind: type[T]) -> T:
        """The value of `key`, whose type is exactly `kind` (so that True is no int)."""
        if key not in self._left:
            raise BundleError(f"the key {key!r} is missing", where=self.where)
        value = self._left.pop(key)
        if type(value) is not kind:
            raise self.error(key, f"expected {_KINDS[kind]}, got {_kind(value)}")
        return value

    def text(self, key: str) -> str:
        """A string that is not empty."""
        if not (value := self.take(key, str)):
            raise self.error(key, "is empty")
        return value

    def integer(self, key: str, *, minimum: int, maximum: int = 2**53) -> int:
        """An integer from `minimum` to `maximum`, which is as far as numbers of JSON are exact unless given."""
        if (value := self.take(key, int)) < minimum:
            raise self.error(key, f"must be at least {minimum}, got {value!s:.40}")
        if value > maximum:
            raise self.error(key, f"must be at most {maximum}, got {value!s:.40}")
        return value

    def token_id(self, key: str) -> int:
        """The id of a token."""
        return self.integer(key, minimum=0, maximum=LARGEST_ID)

    def number(self, key: str) -> float:
        """A finite number, integer or not."""
        value = self._left.get(key)
        number = float(self.take(key, int) if type(value) is int else self.take(key, float))
        if not math.isfinite(number):
            raise self.error(key, "must be finite")
        return number

    def numbers(self, key: str) -> tuple[float, ...]:
        """A finite number, or a list of them that is not empty."""
        if type(self._left.get(key)) is not list:
            return (self.number(key),)
        values = self.take(key, list)
        if not values or not all(type(value) in (int, float) and math.isfinite(value) for value in values):
            raise self.error(key, "expected a finite number, or a list of them that is not empty")
        return tuple(float(value) for value in values)

    def choice(self, key: str, among: tuple[str, ...]) -> str:
        """One of the strings `among`."""
        if (value := self.take(key, str)) not in among:
            raise self.error(key, f"expected one of {', '.join(among)}, got {value!r:.60}")
        return value

    def strings(self, key: str) -> tuple[str, ...]:
        """A list of distinct strings, none of them empty."""
        values = self.take(key, list)
        if not all(type(value) is str and value for value in values):
            raise self.error(key, "expected a list of strings that are not empty")
        if len(set(values)) != len(values):
            raise self.error(key, "names one twice")
        return tuple(values)

    def mapping(self, key: str) -> dict[str, Any]:
        """An object."""
        return self.take(key, dict)

    def has(self, key: str) -> bool:
        """Whether `key` is there, for the few keys that need not be."""
        return key in self._left

    def is_null(self, key: str) -> bool:
        """Whether `key` is there and null; if so it is taken."""
        if key in self._left and self._left[key] is None:
            del self._left[key]
            return True
        return False

    def error(self, key: str, what: str) -> BundleError:
        """The error of the value of `key`."""
        return BundleError(f"{key!r}: {what}", where=self.where)

    def end(self) -> None:
        """Refuse keys that were not asked for."""
        if self._left:
            names = ", ".join(repr(key)[:60] for key in list(self._left)[:5])
            raise BundleError(f"unknown key: {names}", where=self.where, hint="it may need a newer ftcore")


_KINDS: dict[type, str] = {
    str: "a string",
    int: "an integer",
    float: "a number",
    bool: "true or false",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def _kind(value: object) -> str:
    return _KINDS.get(type(value), type(value).__name__)
