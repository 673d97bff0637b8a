"""What users hand to a bundle: texts or pairs, checked before anything is tokenised."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from ftcore_export.errors import InputError

Input: TypeAlias = str | tuple[str, str] | Mapping[str, str]

_HINT = "give a text, a pair of texts, or {'text': ..., 'text_pair': ...}"


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


def split_inputs(inputs: Sequence[Input]) -> tuple[list[str], list[str] | None]:
    """Texts, and second texts where the inputs are pairs.

    Raises:
        InputError: a bare string, something that is no text, an empty text, or texts mixed with pairs.
    """
    if isinstance(inputs, (str, bytes, Mapping)):
        raise InputError(
            f"expected a list of inputs, got one {type(inputs).__name__}",
            hint="wrap it in a list: predict([text])",
        )
    rows = list(inputs)
    parts = [(row,) if isinstance(row, str) else _parts(index, row) for index, row in enumerate(rows)]
    width = len(parts[0]) if parts else 1
    for index, part in enumerate(parts):
        if len(part) != width:
            raise InputError(
                "texts and pairs are mixed", where=f"input {index}", hint="predict them separately"
            )
        for text in part:
            if why := problem(text):
                raise InputError(why, where=f"input {index}")
    return [part[0] for part in parts], [part[1] for part in parts] if width == 2 else None


def _parts(index: int, row: object) -> tuple[str, ...]:
    """The texts of an input that is not a bare string; whether they are texts is not looked at."""
    if isinstance(row, Mapping):
        if "text" not in row or not row.keys() <= {"text", "text_pair"}:
            raise InputError("expected the keys 'text' and, for pairs, 'text_pair'", where=f"input {index}")
        return (row["text"], row["text_pair"]) if "text_pair" in row else (row["text"],)
    if isinstance(row, (tuple, list)) and len(row) == 2:
        return (row[0], row[1])
    raise InputError(f"expected a text, got {type(row).__name__}", where=f"input {index}", hint=_HINT)
