"""An input cut into parts, and the input without some of them."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders.base import Decoder
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Part
from ftcore_runtime.inputs import Input, read_columns
from ftcore_runtime.segmentation import without, words

#: Parts of an input, about: longer ones have several words in each.
MOST_PARTS = 128
_FEWEST_PARTS = 8
_NOTHING = "."  # in the place of a text of which no word is left: an empty one cannot be answered


class CutInput:
    """An input as parts that can be taken out.

    Args:
        item: the input.
        answer: to it; what it quotes of the last text (the span that answers a question, entities) is in no part and
            stays: there would be nothing left to be explained.
        most_characters: of all texts together that are made by taking out one part each: longer texts have fewer and
            larger parts then.

    Raises:
        InputError: it is no input for the decoder, or nothing would be left without its only part.
    """

    def __init__(
        self, decoder: Decoder, item: Input, answer: Answer, most_characters: int | None = None
    ) -> None:
        self.texts = texts_of(decoder, item)
        self._spans = {field: words(text) for field, text in self.texts.items()}
        free = {field: list(range(len(spans))) for field, spans in self._spans.items()}
        last = next(reversed(self.texts))
        for begin, end in answer.quoted:
            spans = self._spans[last]
            free[last] = [one for one in free[last] if spans[one][1] <= begin or spans[one][0] >= end]
        most = MOST_PARTS
        if most_characters is not None:
            length = sum(map(len, self.texts.values()))
            most = min(most, max(_FEWEST_PARTS, most_characters // max(1, length)))
        size = math.ceil(sum(map(len, free.values())) / most) or 1
        self._members: list[tuple[str, Sequence[int]]] = [
            (field, group) for field, indices in free.items() for group in _groups(indices, size)
        ]
        self.parts = [self._part(field, group) for field, group in self._members]
        if len(self.parts) < 2:
            besides = " besides the answer's own" if answer.quoted else ""
            raise InputError(f"there is one word only{besides}: nothing would be left without it")

    def _part(self, field: str, group: Sequence[int]) -> Part:
        begin, end = self._spans[field][group[0]][0], self._spans[field][group[-1]][1]
        return Part(field, begin, end, self.texts[field][begin:end])

    def each_removed(self) -> list[Input]:
        """The input without each of its parts."""
        return [self.without([index]) for index in range(len(self.parts))]

    def without(self, removed: Collection[int]) -> Input:
        """The input without the parts of these indices."""
        gone: dict[str, set[int]] = {field: set() for field in self.texts}
        for index in removed:
            field, group = self._members[index]
            gone[field].update(group)
        return {
            field: (without(text, self._spans[field], gone[field]).strip() or _NOTHING)
            if gone[field]
            else text
            for field, text in self.texts.items()
        }


def texts_of(decoder: Decoder, item: Input) -> dict[str, str]:
    """Field -> text of an input.

    Raises:
        InputError: it is no input for the decoder.
    """
    columns = read_columns([item], decoder.fields, decoder.required)
    return dict(zip(decoder.fields, (column[0] for column in columns), strict=False))


def _groups(indices: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    """Indices that follow one another, `size` at a time."""
    group: list[int] = []
    for index in indices:
        if group and (len(group) == size or index != group[-1] + 1):
            yield group
            group = []
        group.append(index)
    if group:
        yield group
