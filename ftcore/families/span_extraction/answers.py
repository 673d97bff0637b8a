"""Rows of the family `span_extraction`: answers of any shape, compared with the context they stand in."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

import numpy as np

from ftcore.errors import REMARK, RowDropped, RowError
from ftcore.families.span_extraction.spec import SpanExtractionColumns

Misplaced = Literal["repair", "drop", "error"]
_SHOWN = 60  # characters of a text in a message
#: A whole number as text; pandas writes one as `4.0` as soon as a cell of its column is empty.
_WHOLE = re.compile(r"\s*(\d{1,12})(?:\.0*)?\s*", re.ASCII)


def parse_row(row: Mapping[str, Any], names: SpanExtractionColumns, misplaced: Misplaced) -> dict[str, Any]:
    """One source row -> id, title, question, context, answers, starts; starts count code points.

    Args:
        misplaced: what to do with an answer that is not at its start, see the spec.

    Raises:
        RowError: an empty text, a value of the wrong type, an answer that is nowhere or in several places.
        RowDropped: such an answer, where those are dropped.
    """
    question, context = (_text(row, column) for column in (names.question, names.context))
    title = row.get(names.title) if names.title else None
    name = str(row.get(names.id) or "")
    answers: list[str] = []
    starts: list[int] = []
    moved: list[str] = []
    for text, start in _pairs(row, names):
        found = start
        if start is None or context[start : start + len(text)] != text:
            found = context.find(text)
            if (
                found < 0
                or context.find(text, found + 1) >= 0
                or (misplaced == "error" and start is not None)
            ):
                what = _wrong(name, text, start, context)
                raise (
                    RowDropped(f"left out: {what}") if misplaced == "drop" else RowError(what, names.answers)
                )
            if start is not None:
                moved.append(f"{text!r:.{_SHOWN}} from {start} to {found}")
        answers.append(text)
        starts.append(found if found is not None else 0)
    made: dict[str, Any] = {
        "id": name,
        "title": str(title) if title else None,
        "question": question,
        "context": context,
        "answers": answers,
        "starts": starts,
    }
    if moved:
        made[REMARK] = f"{_named(name)}moved the answer {', '.join(moved)}"
    return made


def _pairs(row: Mapping[str, Any], names: SpanExtractionColumns) -> list[tuple[str, int | None]]:
    """Texts and starts of a row's answers, whichever way they are written; a start is None where it is missing."""
    cell = row[names.answers]
    if names.start is not None:
        texts, starts = _listed(cell), _listed(row[names.start])
    elif isinstance(cell, Mapping):
        texts, starts = _listed(cell.get("text")), _listed(cell.get("answer_start"))
        if texts and not starts:
            raise RowError("it has no `answer_start`", names.answers)
    else:
        parts = _listed(cell)
        texts = [part.get("text") if isinstance(part, Mapping) else part for part in parts]
        starts = [
            part.get("answer_start", part.get("start")) if isinstance(part, Mapping) else None
            for part in parts
        ]
    if len(texts) != len(starts):
        raise RowError(f"there are {len(texts)} answers and {len(starts)} starts", names.answers)
    column = names.start or names.answers
    return [
        (_answer(text, names.answers), _start(start, column))
        for text, start in zip(texts, starts, strict=True)
    ]


def _listed(cell: Any) -> list[Any]:  # noqa: ANN401 (a cell)
    """A list; one value as a list of it, and nothing (null, NaN, an empty text) as an empty one."""
    if isinstance(cell, Sequence | np.ndarray) and not isinstance(cell, str):
        return list(cell)
    nothing = cell is None or cell == "" or (isinstance(cell, float) and cell != cell)
    return [] if nothing else [cell]


def _answer(text: Any, column: str) -> str:  # noqa: ANN401 (a cell)
    if not isinstance(text, str):
        raise RowError(f"expected the text of an answer, got {text!r:.{_SHOWN}}", column)
    if not text.strip():
        raise RowError("the text of an answer is empty", column)
    return text


def _start(value: Any, column: str) -> int | None:  # noqa: ANN401 (a cell)
    if value is None:
        return None
    if isinstance(value, str) and (match := _WHOLE.fullmatch(value)):
        return int(match[1])
    try:
        start = int(value) if not isinstance(value, bool) and value == value else -1
        whole = start >= 0 and start == value
    except (TypeError, ValueError, OverflowError):
        whole = False
    if not whole:
        raise RowError(
            f"expected where the answer begins, in characters from 0, got {value!r:.{_SHOWN}}", column
        )
    return start


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise RowError(f"expected text, got {value!r:.{_SHOWN}}", column)
    if not value.strip():
        raise RowError("the text is empty", column)
    return value


def _wrong(name: str, text: str, start: int | None, context: str) -> str:
    times = context.count(text)
    what = "stands nowhere in the context" if not times else f"stands in {times} places of the context"
    if times == 1:
        what = f"stands at {context.find(text)}"
    advice = (
        "no start is given"
        if start is None
        else f"at {start} stands {context[start : start + len(text)]!r:.{_SHOWN}}"
    )
    return f"{_named(name)}the answer {text!r:.{_SHOWN}} {what}; {advice}"


def _named(name: str) -> str:
    return f"id {name!r:.{_SHOWN}}: " if name else ""
