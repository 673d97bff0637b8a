"""What a model that finds answers has to beat: no answer at all, and the sentence that is most like the question."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import pyarrow as pa

from ftcore.families.baselines import most_similar_of_each
from ftcore_runtime.spans import SpanAnswer

_SENTENCES = re.compile(r"[^.!?。！？\n]+[.!?。！？]*")


def span_baselines(rows: pa.Table, *, optional: bool) -> Mapping[str, Sequence[SpanAnswer]]:
    """Answers to `rows` (columns `question` and `context`) without any learning.

    Args:
        optional: whether a question may have no answer.
    """
    given = 0.0 if optional else None
    found: dict[str, Sequence[SpanAnswer]] = {}
    if optional:
        found["never giving an answer"] = [SpanAnswer("", score=1.0, no_answer=1.0)] * rows.num_rows
    sentences = [list(_SENTENCES.finditer(context)) for context in rows["context"].to_pylist()]
    texts = [[one[0] for one in row] for row in sentences]
    chosen = most_similar_of_each(texts, rows["question"].to_pylist())
    best = [row[at] if row else None for row, at in zip(sentences, chosen, strict=True)]
    found["the sentence most like the question"] = [
        SpanAnswer(one[0], one.start(), one.end(), 1.0, given)
        if one
        else SpanAnswer("", score=1.0, no_answer=given)
        for one in best
    ]
    return found


def span_warnings(references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> list[str]:
    """A sentence for each thing that is plainly wrong with answers: there are none, or one and the same."""
    texts = {answer.text for answer in answers}
    wanted = {tuple(one) for one in references if one}
    if not wanted or len(texts) > 1 or len(answers) < 2:
        return []
    (text,) = texts
    if not text:
        return ["no question gets an answer"]
    return [f"every question gets the same answer, {text!r}"] if len(wanted) > 1 else []
