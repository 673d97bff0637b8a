"""What augmentation does to words: some change places, some are left out. Punctuation stays where it is."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from ftcore_runtime.segmentation import Span, is_word, reordered, without, words


def swap_words(text: str, share: float, draw: random.Random) -> str:
    """Exchange two random words, `share` times the number of words (EDA, Wei and Zou 2019); rounded up."""
    spans = words(text)
    own = words_among(text, spans)
    if not share or len(own) < 2:
        return text
    order = list(range(len(spans)))
    for _ in range(math.ceil(share * len(own))):
        one, other = draw.sample(own, 2)
        order[one], order[other] = order[other], order[one]
    return reordered(text, spans, order)


def delete_words(text: str, chance: float, draw: random.Random) -> str:
    """Leave each word out with this chance, but never the last one that is left (EDA)."""
    spans = words(text)
    own = words_among(text, spans)
    if not chance or len(own) < 2:
        return text
    removed = {index for index in own if draw.random() < chance}
    if len(removed) == len(own):
        removed.remove(draw.choice(own))
    return without(text, spans, removed)


def words_among(text: str, spans: Sequence[Span]) -> list[int]:
    """Indices of the words; the others are punctuation, which stays where it is."""
    return [index for index, (begin, end) in enumerate(spans) if is_word(text[begin:end])]
