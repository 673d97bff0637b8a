"""Values of Python as the YAML of a spec: what is written in Python is then validated, shown and kept like a file."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import TypeGuard

from ftcore.errors import UserError
from ftcore.spec.diagnostics import Key, dotted
from ftcore.spec.scalars import plain

_PLAIN_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
#: What YAML may not hold as it is, and JSON leaves as it is.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff]")
_DEEPEST = 40


def as_yaml(values: Mapping[str, object]) -> str:
    """A mapping as YAML in blocks, a line for each value.

    Raises:
        UserError: it holds what a spec cannot: anything but mappings, sequences, texts, numbers, booleans, paths, None.
    """
    return "".join(f"{line}\n" for line in _block(values, ()))


def as_scalar(value: object, key: Key) -> str:
    """One text, number, boolean, path or None as YAML.

    Args:
        key: what the value is for, for the error.

    Raises:
        UserError: it is something else.
    """
    if isinstance(value, PurePath):
        value = str(value)
    if value is not None and not isinstance(value, str | int | float):
        kind = f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")
        hint = "give texts, numbers, booleans, None, and lists and mappings of these"
        raise UserError(f"a spec cannot hold a `{kind}`", where=dotted(key), hint=hint)
    written = json.dumps(value, ensure_ascii=False)
    return _UNPRINTABLE.sub(lambda found: f"\\u{ord(found[0]):04x}", written)


def leaves(values: Mapping[str, object], key: Key = ()) -> Iterator[tuple[Key, object]]:
    """Each value of nested mappings with its path; a mapping with nothing in it is a value."""
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, (*key, name))
        else:
            yield (*key, name), value


def as_flow(value: object, key: Key) -> str:
    """Any value as YAML on one line.

    Raises:
        UserError: see `as_yaml`.
    """
    _check_depth(key)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_key(k, key)}: {as_flow(v, (*key, k))}" for k, v in value.items()) + "}"
    if _is_list(value):
        return "[" + ", ".join(as_flow(item, (*key, number)) for number, item in enumerate(value)) + "]"
    return as_scalar(value, key)


def _block(value: object, key: Key) -> Iterator[str]:
    """Lines of a mapping or sequence that is not empty; of anything else the one line that it is."""
    _check_depth(key)
    if isinstance(value, Mapping) and value:
        for name, inner in value.items():
            yield from _entry(f"{_key(name, key)}:", inner, (*key, name))
    elif _is_list(value) and value:
        for number, inner in enumerate(value):
            yield from _entry("-", inner, (*key, number))
    else:
        yield as_flow(value, key)


def _entry(head: str, value: object, key: Key) -> Iterator[str]:
    """The lines of a key or a dash with what is under it."""
    lines = _block(value, key)
    if (isinstance(value, Mapping) or _is_list(value)) and value:
        if head != "-":
            yield head
            yield from (f"  {line}" for line in lines)
            return
        yield f"- {next(lines)}"
        yield from (f"  {line}" for line in lines)
    else:
        yield f"{head} {next(lines)}"


def _check_depth(key: Key) -> None:
    if len(key) > _DEEPEST:
        raise UserError("is nested too deeply for a spec", where=dotted(key[:3]))


def _key(name: object, key: Key) -> str:
    if not isinstance(name, str):
        raise UserError(f"a key of a spec is a text, not {name!r}", where=dotted(key) or "the spec")
    return name if _PLAIN_KEY.fullmatch(name) and plain(name) == name else as_scalar(name, key)


def _is_list(value: object) -> TypeGuard[Sequence[object]]:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
