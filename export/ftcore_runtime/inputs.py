"""What users hand to a bundle: a text for each of its fields, checked before anything is tokenised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ftcore_runtime.errors import InputError

#: A lone text, the texts of the fields in their order, or field -> text.
Input: TypeAlias = str | tuple[str, ...] | Mapping[str, str]


def problem(text: object) -> str | None:
    """Why this cannot be answered as a text, or None if it can."""
    if not isinstance(text, str):
        return f"expected a text, got {type(text).__name__}"
    if not text.strip():
        return "the text is empty"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the text is not valid Unicode: half of a surrogate pair is in it"
    return None


def read_columns(inputs: Sequence[Input], fields: Sequence[str], required: int) -> list[list[str]]:
    """The texts of each field, in the order of the fields: at least the required ones, and as many of all inputs.

    Args:
        fields: what the texts of an input are called.
        required: how many of them, from the first on, every input must have; no inputs have these.

    Raises:
        InputError: a bare string, an input that lacks a field or has another, one that is no text, an empty text, or
            inputs with different fields.
    """
    if isinstance(inputs, (str, bytes, Mapping)):
        raise InputError(
            f"expected a list of inputs, got one {type(inputs).__name__}",
            hint="wrap it in a list: predict([text])",
        )
    parts = [_parts(index, row, fields, required) for index, row in enumerate(inputs)]
    width = len(parts[0]) if parts else required
    for index, part in enumerate(parts):
        if len(part) != width:
            raise InputError(
                "texts and pairs are mixed"
                if {len(part), width} == {1, 2}
                else "inputs with different fields are mixed",
                where=f"input {index}",
                hint="predict them separately",
            )
        for text in part:
            if why := problem(text):
                raise InputError(why, where=f"input {index}")
    return [[part[index] for part in parts] for index in range(width)]


def join_columns(columns: Sequence[Sequence[str]]) -> list[Input]:
    """Inputs of the texts of the first fields, which are equally many: what `read_columns` undoes."""
    return list(columns[0]) if len(columns) == 1 else list(zip(*columns, strict=True))


def _parts(index: int, row: object, fields: Sequence[str], required: int) -> tuple[str, ...]:
    """The texts of an input; whether they are texts is not looked at."""
    where = f"input {index}"
    hint = f"give {{{', '.join(f'{field!r}: ...' for field in fields[:required])}}}"
    if isinstance(row, str) and required == 1:
        return (row,)
    if isinstance(row, Mapping):
        present = [field for field in fields if field in row]
        if len(present) < len(row) or len(present) < required or present != [*fields[: len(present)]]:
            needed = f"the keys {_listed(fields[:required])}"
            if further := fields[required:]:
                needed += f" and, if you like, {_listed(further)}"
            raise InputError(f"expected {needed}", where=where, hint=hint)
        return tuple(row[field] for field in present)
    if isinstance(row, (tuple, list)) and required <= len(row) <= len(fields):
        return tuple(row)
    if required == 1:
        raise InputError(
            f"expected a text, got {_kind(row)}", where=where, hint=f"give a text, or {hint[5:]}"
        )
    raise InputError(
        f"expected {_listed(fields[:required], '')}, got {_kind(row)}",
        where=where,
        hint=f"{hint}, or the {required} texts in this order",
    )


def _kind(row: object) -> str:
    """An input that does not fit, for messages."""
    if isinstance(row, str):
        return "a lone text"
    return f"{len(row)} texts" if isinstance(row, (tuple, list)) else type(row).__name__


def _listed(names: Sequence[str], quote: str = "'") -> str:
    return " and ".join(f"{quote}{name}{quote}" for name in names)
