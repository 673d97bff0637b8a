"""What belongs to tokens as what belongs to the words of an input: sums over the tokens of each part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ftcore.evaluation.answering_model import AnsweringModel
from ftcore_runtime.explanations.explanation import Part

Array = np.ndarray[Any, np.dtype[Any]]


def of_parts(answers: AnsweringModel, texts: Sequence[str], parts: Sequence[Part], values: Array) -> Array:
    """The sum of the values of each part's tokens, float64 [parts]; special tokens are of no part.

    Args:
        texts: of the input, one or two.
        values: float [tokens], of the one feature that the input is.
    """
    encoding = answers.encoder.tokenizer.encode(texts[0], texts[1] if len(texts) > 1 else None)
    fields = answers.decoder.fields
    made = np.zeros(len(parts))
    for (begin, end), sequence, value in zip(
        encoding.offsets, encoding.sequence_ids, values.tolist(), strict=True
    ):
        if sequence is None:
            continue
        meeting = (
            index
            for index, part in enumerate(parts)
            if part.field == fields[sequence] and part.start < end and begin < part.end
        )
        if (first := next(meeting, None)) is not None:  # a token over two words counts for the first
            made[first] += value
    return made
