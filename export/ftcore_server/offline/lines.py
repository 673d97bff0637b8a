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
        cut: rows that have an answer and were longer than the model reads.
    """

    lines: list[dict[str, Any]]
    answered: int
    errors: list[tuple[int, str]]
    cut: int = 0

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
        results, cut = _results(pipeline, chunk, batch_size, top_k)
        lines = [
            {"row": row.number, **({"input": row.columns} if keep else {}), **result}
            for row, result in zip(chunk, results, strict=True)
        ]
        errors = [(line["row"], line["error"]) for line in lines if "error" in line]
        yield Lines(lines, len(lines) - len(errors), errors, cut)


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
) -> tuple[list[dict[str, Any]], int]:
    """What the output says of each row, its answer or its error; and how many of the answered ones were cut."""
    good = [row.input for row in chunk if row.input is not None]
    try:
        answers, cut = _answered(pipeline, good, batch_size, top_k)
    except UserError:  # a row that only the model finds bad: answer one by one, so that it stands alone
        alone = [_alone(pipeline, item, top_k) for item in good]
        answers, cut = [one for one, _ in alone], sum(count for _, count in alone)
    found = iter(answers)
    return [{"error": row.error} if row.input is None else next(found) for row in chunk], cut


def _answered(
    pipeline: Pipeline, inputs: list[Input], batch_size: int, top_k: int | None
) -> tuple[list[dict[str, Any]], int]:
    if not inputs:
        return [], 0
    prepared = pipeline.decoder.prepare(inputs, pipeline.encoder)
    return [one.to_json() for one in pipeline.answer(prepared, batch_size, top_k)], prepared.cut


def _alone(pipeline: Pipeline, item: Input, top_k: int | None) -> tuple[dict[str, Any], int]:
    try:
        (answer,), cut = _answered(pipeline, [item], 1, top_k)
        return answer, cut
    except UserError as error:
        return {"error": error.what}, 0
