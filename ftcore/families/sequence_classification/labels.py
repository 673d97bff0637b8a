"""The labels of a row, in any of the shapes that files have them in: names, lists, lists as text, multi-hot."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from ftcore.errors import RowError

_SHOWN = 80  # characters of a cell in a message
_DIGITS = 300  # of a label that is ordered as a number
_BRACKETS = {"[": "]", "(": ")", "{": "}"}
#: An item of a list as Python or NumPy prints it: a quoted text, a whole number or a truth value.
_ITEM = re.compile(r"""\s*('(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|-?\d+(?:\.0*)?|True|False)\s*(,|(?=\S)|$)""")
_SEPARATORS = (",", ";", "|")
#: Of these a label is several only where each of its parts is a label: they stand in names, too.
_OTHER_SEPARATORS = ("/", "+", "&", "\t", "\n", "\uff0c", "\u3001", "\uff1b", " ")
_CALLS = (
    "set",
    "frozenset",
    "list",
    "tuple",
    "array",
)  # how Python and NumPy print some, with brackets inside


def label_name(value: Any, column: str) -> str:  # noqa: ANN401 (a cell)
    """A label as text.

    Raises:
        RowError: neither text nor a whole number nor a truth value.
    """
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float) and value.is_integer():  # a column of numbers with an empty cell
        return str(int(value))
    if not isinstance(value, str):
        raise RowError(f"expected a label (text or a whole number), got {value!r:.{_SHOWN}}", column)
    return value.strip()


def label_set(value: Any, column: str, separator: str, labels: Sequence[str] | None) -> list[str]:  # noqa: ANN401
    """The labels of a multi-label row, sorted.

    Args:
        value: a list of names; a mapping or (with `labels`) a list of zeros and ones or truth values, one for each
            label; any of those as JSON or as Python prints it; or names with `separator` between them.
        labels: their names in order, where the spec gives them.

    Raises:
        RowError: another shape, a label twice, or brackets that are part of a name.
    """
    if isinstance(value, str):
        value = _of_text(value.strip(), column, separator, labels or ())
    if isinstance(value, Mapping):
        return sorted(_held(list(value), list(value.values()), column))
    if not isinstance(value, list | tuple | np.ndarray):
        raise RowError(f"expected a list of labels or text, got {value!r:.{_SHOWN}}", column)
    items = [item.item() if isinstance(item, np.generic) else item for item in value]
    if _is_multi_hot(items, labels):
        if labels is None:
            raise RowError(
                f"{items!r:.{_SHOWN}} says 0 or 1 for each label, and nothing says which: list their names, in this"
                " order, in `data.labels`",
                column,
            )
        if len(items) != len(labels):
            what = f"there are {len(items)} zeros and ones for the {len(labels)} labels of `data.labels`"
            raise RowError(what, column)
        return sorted(_held(labels, items, column))
    names = [name for item in items if (name := label_name(item, column))]
    if len(set(names)) < len(names):
        twice = next(name for index, name in enumerate(names) if name in names[:index])
        raise RowError(f"the label {twice!r:.{_SHOWN}} stands in {value!r:.{_SHOWN}} more than once", column)
    return sorted(names)


def _of_text(text: str, column: str, separator: str, labels: Collection[str]) -> Any:  # noqa: ANN401
    """What a cell of text holds: a list or mapping written as text, else names with a separator."""
    if text in labels:
        return [text]
    text = _without_call(text)
    if not text:
        return []
    if _BRACKETS.get(text[:1]) == text[-1:] and len(text) > 1:
        found = _parsed(text)
        if found is None:
            raise RowError(
                f"{text!r:.{_SHOWN}} looks like a list, and is neither JSON nor as Python prints one: put each label"
                f" in quotes, or leave out the brackets and write `data.label_separator` ({separator}) between them",
                column,
            )
        return found
    return text.split(separator)


def _without_call(text: str) -> str:
    """`set()`, `frozenset({...})` and `array([...], dtype=object)` without what stands around the brackets."""
    for name in _CALLS:
        if text.startswith(f"{name}(") and text.endswith(")"):
            inner = text[len(name) + 1 : -1]
            return (inner.rpartition(", dtype=")[0] or inner).strip()
    return text


def _parsed(text: str) -> Any:  # noqa: ANN401 (a list or a mapping; None if it is neither)
    try:
        found = json.loads(text)
        return found if isinstance(found, list | dict) else None
    except (ValueError, RecursionError):
        pass
    items: list[Any] = []
    index, inner = 0, text[1:-1].strip()
    while index < len(inner):
        match = _ITEM.match(inner, index)
        if match is None:
            return None
        try:
            items.append(ast.literal_eval(match[1]))
        except (ValueError, SyntaxError):
            return None
        index = match.end()
    return items


def _is_multi_hot(items: Sequence[Any], labels: Sequence[str] | None) -> bool:
    """Whether a list says yes or no for each label; zeros and ones may also be the names of labels."""
    if not items or not all(isinstance(item, bool | int | float) and item in (0, 1) for item in items):
        return False
    if any(isinstance(item, bool | float) for item in items):
        return True
    if labels is None:
        return len(set(items)) < len(items)
    return not {"0", "1"} & set(labels)


def _held(names: Sequence[Any], held: Sequence[Any], column: str) -> list[str]:
    for value in held:
        if value is not None and not (isinstance(value, bool | int | float) and value in (0, 1)):
            raise RowError(
                f"expected 0 or 1 (or true or false) for each label, got {value!r:.{_SHOWN}}", column
            )
    return [label_name(name, column) for name, value in zip(names, held, strict=True) if value]


def check_names(labels: Collection[str], column: str, separator: str) -> None:
    """Refuse the labels of all multi-label rows where they are visibly several in one, or no names.

    Raises:
        RowError: with what to set.
    """
    if set(labels) <= {"0", "1"} and labels:
        what = "the only labels are 0 and 1: for lists of those, name what they stand for in `data.labels`"
        raise RowError(what, column)
    known = set(labels)
    for other in (*_SEPARATORS, *_OTHER_SEPARATORS):
        joined = [name for name in labels if other in name and other != separator]
        if other in _OTHER_SEPARATORS:
            joined = [name for name in joined if {part.strip() for part in name.split(other)} <= known]
        parts = [part.strip() for name in joined for part in name.split(other)]
        if joined and (len(set(parts)) < len(parts) or known.intersection(parts)):
            raise RowError(
                f"the label {joined[0]!r:.{_SHOWN}} looks like several: set `data.label_separator` to {other!r}, or"
                " list the labels in `data.labels` if it is one",
                column,
            )


def natural(label: str) -> tuple[int, float, str]:
    """Key to sort labels by: whole numbers by value, before everything else by text."""
    digits = label.removeprefix("-")
    if digits.isascii() and digits.isdigit() and len(digits) <= _DIGITS:
        return (0, int(label), label)
    return (1, 0, label)
