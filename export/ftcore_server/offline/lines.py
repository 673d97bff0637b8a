"""Rows to lines of output: `{"row": NUMBER, ...answer}`, or `{"row": NUMBER, "error": ...}`, as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ftcore_runtime.answers import to_jsonl
from ftcore_runtime.errors import UserError
from ftcore_runtime.inputs import Input
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.rows import Row

_CHUNK_CHARACTERS = 2**22  # and no more text than this, whatever the number of rows


@dataclass(frozen=True)
class Lines:
    """The output of some rows.

    Args:
        lines: one a row, as JSON.
        answered: rows that have an answer.
        errors: number and error of the others.
    """

    lines: list[dict[str, Any]]
    answered: int
    errors: list[tuple[int, str]]

    @property
    def data(self) -> bytes:
        """As JSON Lines."""
        return to_jsonl(self.lines)


def answer_lines(
    pipeline: Pipeline,
    rows: Iterable[Row],
    batch_size: int,
    *,
    keep: bool = False,
    top_k: int | None = None,
) -> Iterator[Lines]:
    """The output of any number of rows, chunk by chunk.

    Args:
        keep: whether lines have the row's columns, as `input`.
        top_k: see `Pipeline.predict`.
    """
    for chunk in _chunks(rows, pipeline.rows_at_once(batch_size)):
        results = _results(pipeline, chunk, batch_size, top_k)
        lines = [
            {"row": row.number, **({"input": row.columns} if keep else {}), **result}
            for row, result in zip(chunk, results, strict=True)
        ]
        errors = [(line["row"], line["error"]) for line in lines if "error" in line]
        yield Lines(lines, len(lines) - len(errors), errors)


def _chunks(rows: Iterable[Row], limit: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += sum(len(value) for value in row.columns.values() if isinstance(value, str))
        if len(chunk) == limit or characters > _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _results(
    pipeline: Pipeline, chunk: list[Row], batch_size: int, top_k: int | None
) -> list[dict[str, Any]]:
    """What the output says of each row: its answer or its error."""
    good = [row.input for row in chunk if row.input is not None]
    try:
        answers = iter([answer.to_json() for answer in pipeline.predict(good, batch_size, top_k)])
    except UserError:  # a row that only the model finds bad: answer one by one, so that it stands alone
        answers = iter([_alone(pipeline, item, top_k) for item in good])
    return [{"error": row.error} if row.input is None else next(answers) for row in chunk]


def _alone(pipeline: Pipeline, item: Input, top_k: int | None) -> dict[str, Any]:
    try:
        return pipeline.predict([item], top_k=top_k)[0].to_json()
    except UserError as error:
        return {"error": error.what}
