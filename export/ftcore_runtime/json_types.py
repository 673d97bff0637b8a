"""Whether a JSON value is of the type that an annotation says: what a bundle holds may be anything."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin


def is_of(value: object, annotation: Any) -> bool:  # noqa: ANN401 (an annotation)
    """Whether `value`, out of a JSON file, is what `annotation` says; an integer is a `float`, True is no `int`.

    Args:
        annotation: `Any`, `str`, `bool`, `int`, `float`, None, and lists, mappings of texts and unions of them.

    Raises:
        TypeError: an annotation of another kind.
    """
    if annotation is Any:
        return True
    if annotation in (None, NoneType):
        return value is None
    if annotation is float:
        return type(value) is float or (type(value) is int and abs(value) <= 2**53)
    if annotation in (str, bool, int):
        return type(value) is annotation
    kind, inner = get_origin(annotation), get_args(annotation)
    if kind in (Union, UnionType):
        return any(is_of(value, one) for one in inner)
    if kind in (list, Sequence):
        return isinstance(value, list) and all(is_of(one, inner[0]) for one in value)
    if kind in (dict, Mapping):
        return isinstance(value, dict) and all(is_of(one, inner[1]) for one in value.values())
    raise TypeError(f"no JSON has the type {annotation}")
