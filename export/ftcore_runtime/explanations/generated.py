"""Why a text was written as it was: what each word of it loses when a word of the source is left out.

The answer is kept, and each of its words has the log-probability that the model gives it after the words before, with
and without a word of the source. Perturbed sources: Alvarez-Melis and Jaakkola 2017, "A causal framework for explaining
the predictions of black-box sequence-to-sequence models".
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders.base import Decoder
from ftcore_runtime.encoding import TextEncoder
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Explanation, Reason
from ftcore_runtime.explanations.occlusion import OCCLUSION
from ftcore_runtime.explanations.parts import MOST_PARTS, CutInput
from ftcore_runtime.generation.generator import Generator
from ftcore_runtime.generation.packing import unpack
from ftcore_runtime.generation.texts import decode_text
from ftcore_runtime.inputs import Input
from ftcore_runtime.segmentation import words

_MOST_WORDS = 40  # of an answer, that are explained
_NOTE = "weights are of the log-probability of each word that was written, after the words before it"

Ids = NDArray[np.int64]


class WrittenText:
    """What was written to an input, as what has to be asked to explain it.

    Args:
        item: the input.
        answer: to it; `written` are its tokens.
        targets: words of the answer to explain; its first `_MOST_WORDS` if there are none.
        most_tokens: of all sources that are asked for, with the answer after each, about: longer ones have fewer and
            larger parts then.

    Raises:
        InputError: the input is one word only; the answer is empty, or lacks a target.
    """

    def __init__(
        self,
        decoder: Decoder,
        encoder: TextEncoder,
        item: Input,
        answer: Answer,
        written: Ids,
        targets: Sequence[str] = (),
        most_tokens: int | None = None,
    ) -> None:
        found = _words_of(encoder, written)[:_MOST_WORDS]
        self._words = [word for word in found if not targets or word[0] in targets]
        missing = {*targets} - {word for word, _ in found}
        if missing or not self._words:
            raise InputError(
                f"the answer has no word {min(missing)!r:.80}" if missing else "the answer is empty"
            )
        #: The tokens that have to be scored, up to the last one that is explained.
        self.ids = written[: 1 + max(tokens[-1] for _, tokens in self._words)]
        if most_tokens is not None:
            most_tokens -= len(self.ids) * MOST_PARTS
        self._cut = CutInput(decoder, item, answer, most_tokens)
        self._answer = answer

    @property
    def inputs(self) -> list[Input]:
        """The sources after which the tokens have to be scored: whole, and without each part."""
        return [self._cut.texts, *self._cut.each_removed()]

    def explanation(self, log_probabilities: NDArray[np.float32]) -> Explanation:
        """What follows from the log-probabilities of `ids` after `inputs`, float32 [inputs, tokens]."""
        reasons = []
        for word, tokens in self._words:
            scores = log_probabilities[:, tokens].sum(axis=1, dtype=np.float64)
            reasons.append(Reason(word, float(scores[0]), (scores[0] - scores[1:]).tolist()))
        return Explanation(OCCLUSION, self._cut.texts, self._answer, self._cut.parts, reasons, note=_NOTE)


def explain_generated(
    decoder: Decoder, generator: Generator, encoder: TextEncoder, item: Input, targets: Sequence[str] = ()
) -> Explanation:
    """Explain each of the first words of the answer to `item`, or those that are named.

    Args:
        targets: words of the answer; all if there are none.

    Raises:
        InputError: the input cannot be answered or is one word only; the answer is empty, or lacks a target.
    """
    prepared = decoder.prepare([item], encoder)
    outputs = generator.run(prepared, 1, scored=True)
    (answer,) = decoder.decode(outputs, prepared)
    text = WrittenText(decoder, encoder, item, answer, unpack(outputs)[0][0].ids, targets)
    return text.explanation(generator.log_probabilities(decoder.prepare(text.inputs, encoder), text.ids))


def _words_of(encoder: TextEncoder, ids: Ids) -> list[tuple[str, list[int]]]:
    """The words of an answer, each with its tokens; tokens that write nothing are of none."""
    tokenizer = encoder.target.tokenizer
    ends = [len(decode_text(tokenizer, ids[: count + 1].tolist())) for count in range(len(ids))]
    text = decode_text(tokenizer, ids.tolist())
    starts = [0, *ends[:-1]]
    found = []
    for begin, stop in words(text):
        tokens = list(_meeting(starts, ends, begin, stop))
        if tokens:
            found.append((text[begin:stop], tokens))
    return found


def _meeting(starts: Sequence[int], ends: Sequence[int], begin: int, stop: int) -> Iterator[int]:
    """Tokens whose characters meet those from `begin` to before `stop`."""
    for place, (start, end) in enumerate(zip(starts, ends, strict=True)):
        if start < stop and begin < end:
            yield place
