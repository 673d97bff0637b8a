"""What belongs to tokens as what belongs to the words of an input: sums over the tokens of each part."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftcore.errors import UserError
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore_runtime.explanations.parts import CutInput

Array = np.ndarray[Any, np.dtype[Any]]


def parts_of_tokens(answers: AnsweringModel, cut: CutInput, tokens: int) -> Array:
    """The part that each token of an input is of, int64 [tokens]; -1 for special ones and what no part has.

    Args:
        tokens: how many the model reads of the input, which is one feature.

    Raises:
        UserError: the model reads other tokens than the first of the input: those of a question that was cut.
    """
    text, *pair = cut.texts.values()
    encoding = answers.encoder.tokenizer.encode(text, pair[0] if pair else None)
    if len(encoding.ids) != tokens:
        raise UserError(
            f"the model reads {tokens} of the {len(encoding.ids)} tokens of the input, and this method needs all",
            where="--method",
            hint="use occlusion, or a shorter question",
        )
    fields = answers.decoder.fields
    found = np.full(tokens, -1)
    for token, ((begin, end), sequence) in enumerate(
        zip(encoding.offsets, encoding.sequence_ids, strict=True)
    ):
        meeting = (
            index
            for index, part in enumerate(cut.parts)
            if sequence is not None
            and part.field == fields[sequence]
            and part.start < end
            and begin < part.end
        )
        found[token] = next(meeting, -1)  # a token over two words counts for the first
    return found


def of_parts(values: Array, parts: Array, count: int) -> Array:
    """The sum of the values of each part's tokens, float64 [count].

    Args:
        values: float [tokens].
        parts: as `parts_of_tokens` gives them.
    """
    inside = parts >= 0
    return np.bincount(parts[inside], weights=values[inside], minlength=count)
