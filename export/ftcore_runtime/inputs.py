"""What users hand to a bundle: texts or pairs, checked before anything is tokenised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ftcore_runtime.errors import InputError

Input: TypeAlias = str | tuple[str, str] | Mapping[str, str]


def problem(text: object) -> str | None:
    """Why this cannot be answered as a text, or None if it can."""
    if not isinstance(text, str):
        return f"expected a text, got {type(text).__name__}"
    if not text.strip():
        return "the text is empty"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "the text is not valid Unicode"
    return None


def split_inputs(
    inputs: Sequence[Input], fields: tuple[str, str] = ("text", "text_pair"), required: int = 1
) -> tuple[list[str], list[str] | None]:
    """Texts, and second texts where the inputs are pairs.

    Args:
        fields: the keys of the two texts in an input that is a mapping.
        required: texts that an input must have; with 2 every input is a pair, and no inputs make no pairs.

    Raises:
        InputError: a bare string, something that is no text, an empty text, or texts mixed with pairs.
    """
    if isinstance(inputs, (str, bytes, Mapping)):
        raise InputError(
            f"expected a list of inputs, got one {type(inputs).__name__}",
            hint="wrap it in a list: predict([text])",
        )
    rows = list(inputs)
    parts = [
        (row,) if isinstance(row, str) and required == 1 else _parts(index, row, fields, required)
        for index, row in enumerate(rows)
    ]
    width = len(parts[0]) if parts else required
    for index, part in enumerate(parts):
        if len(part) != width:
            raise InputError(
                "texts and pairs are mixed", where=f"input {index}", hint="predict them separately"
            )
        for text in part:
            if why := problem(text):
                raise InputError(why, where=f"input {index}")
    return [part[0] for part in parts], [part[1] for part in parts] if width == 2 else None


def _parts(index: int, row: object, fields: tuple[str, str], required: int) -> tuple[str, ...]:
    """The texts of an input that is not a bare text; whether they are texts is not looked at."""
    first, second = fields
    where = f"input {index}"
    if isinstance(row, Mapping):
        if not {*fields[:required]} <= row.keys() <= {*fields}:
            needed = f"the keys {first!r} and {second!r}"
            if required == 1:
                needed = f"the keys {first!r} and, for pairs, {second!r}"
            raise InputError(f"expected {needed}", where=where)
        return (row[first], row[second]) if second in row else (row[first],)
    if isinstance(row, (tuple, list)) and len(row) == 2:
        return (row[0], row[1])
    hint = f"give a pair of texts, or {{{first!r}: ..., {second!r}: ...}}"
    if required == 1:
        raise InputError(
            f"expected a text, got {type(row).__name__}",
            where=where,
            hint=hint.replace("give", "give a text,"),
        )
    raise InputError(f"expected {first} and {second}, got {type(row).__name__}", where=where, hint=hint)
