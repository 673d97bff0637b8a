"""Plain scalars of the YAML 1.2 core schema: `1e-5` is a number, `no` is text."""

from __future__ import annotations

import math
import re

from ftcore.spec.diagnostics import short

_NULL = re.compile(r"~|null|Null|NULL|")
_BOOL = re.compile(r"true|True|TRUE|false|False|FALSE")
_INT = re.compile(r"[-+]?[0-9]+")
_RADIX = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_NOT_FINITE = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_DIGITS = 300

Scalar = str | int | float | bool | None
TAG_PREFIX = "tag:yaml.org,2002:"


def plain(text: str) -> Scalar:
    """The value of an unquoted, untagged scalar.

    Raises:
        ValueError: a number that no computer number can hold, or one that is not finite.
    """
    if _NULL.fullmatch(text):
        return None
    if _BOOL.fullmatch(text):
        return text.lower() == "true"
    if _NOT_FINITE.fullmatch(text):
        raise ValueError(f"`{text}` is not a finite number")
    if _INT.fullmatch(text) or _RADIX.fullmatch(text):
        if len(text) > _DIGITS:
            raise ValueError(f"a whole number of more than {_DIGITS} digits")
        return int(text, 0 if text[:2] in ("0o", "0x") else 10)
    if _FLOAT.fullmatch(text):
        value = float(text)
        if not math.isfinite(value):
            raise ValueError(f"`{short(text)}` is too large for a number")
        return value
    return text


def tagged(tag: str, text: str) -> Scalar:
    """The value of a scalar that carries a tag of the core schema.

    Raises:
        ValueError: another tag, or a text that is not of the tag's type.
    """
    name = tag.removeprefix(TAG_PREFIX)
    kind = {"str": str, "int": int, "float": float, "bool": bool, "null": type(None)}.get(name)
    if kind is None or not tag.startswith(TAG_PREFIX):
        raise ValueError(f"the tag `{short(tag)}` is not allowed in a spec")
    if kind is str:
        return text
    value = plain(text)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise ValueError(f"not a value of type `{name}`")
    return value
