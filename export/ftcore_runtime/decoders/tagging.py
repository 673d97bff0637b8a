"""The most probable entities of a text by the probabilities of its words' tags: valid BIO paths and no others.

Tags are O, then B and I of each label in turn: O, B-1, I-1, B-2, I-2, ... An I follows B or I of its own label alone
(Ramshaw and Marcus 1995). Among all valid paths the most probable one is found by Viterbi's algorithm. The score of an
entity is its own probability: that of all valid paths that have it, by the forward-backward algorithm (Rabiner 1989).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]

_CELLS = 2**19  # scores of tags that are held several times over
_B, _I = slice(1, None, 2), slice(2, None, 2)


@dataclass(frozen=True)
class Segment:
    """An entity as words.

    Args:
        first, last: of its words.
        label: index of its label.
        score: its probability.
    """

    first: int
    last: int
    label: int
    score: float


def tag_count(labels: int) -> int:
    """Tags of so many labels."""
    return 1 + 2 * labels


def segments(scores: Scores, lengths: Sequence[int]) -> list[list[Segment]]:
    """The entities of each text, in order.

    Args:
        scores: float64 [words, tags]: log-probability of each tag of each word, of all texts one after another.
        lengths: words of each text; they add up to `words`.
    """
    found: list[list[Segment]] = [[] for _ in lengths]
    starts = np.cumsum([0, *lengths])
    for group in _groups(lengths, scores.shape[1]):
        longest = max(lengths[text] for text in group)
        # Behind a text's end O is certain, so that nothing there has a say in what is before it.
        padded = np.full((len(group), longest, scores.shape[1]), -np.inf)
        padded[:, :, 0] = 0.0
        for place, text in enumerate(group):
            padded[place, : lengths[text]] = scores[starts[text] : starts[text + 1]]
        for text, one in zip(group, _segments(padded), strict=True):
            found[text] = one
    return found


def _groups(lengths: Sequence[int], tags: int) -> Iterator[list[int]]:
    """Indices of texts of like length that are decoded together; those without words are in none."""
    group: list[int] = []
    for text in sorted((index for index, length in enumerate(lengths) if length), key=lengths.__getitem__):
        if group and (len(group) + 1) * lengths[text] * tags > _CELLS:
            yield group
            group = []
        group.append(text)
    if group:
        yield group


def _segments(scores: Scores) -> list[list[Segment]]:
    """The entities of texts of equal length, float64 [texts, words, tags]."""
    path = _best_path(scores)
    if not (path > 0).any():
        return [[] for _ in scores]
    before = _log_sum(_forward(scores, _log_sum, np.logaddexp))  # of all paths up to each word
    after = _leaving(scores)
    made = []
    for text, tags in enumerate(path.tolist()):
        own: list[Segment] = []
        first = 0
        while first < len(tags):
            if tags[first] % 2 == 0:  # O: an I never stands where an entity would begin
                first += 1
                continue
            last, inside = first, tags[first] + 1
            while last + 1 < len(tags) and tags[last + 1] == inside:
                last += 1
            weight = scores[text, first, inside - 1] + scores[text, first + 1 : last + 1, inside].sum()
            weight += (before[text, first - 1] if first else 0.0) + after[text, last] - before[text, -1]
            own.append(Segment(first, last, inside // 2 - 1, float(min(1.0, np.exp(weight)))))
            first = last + 1
        made.append(own)
    return made


def _forward(
    scores: Scores, every: Callable[[Scores], Scores], either: Callable[[Scores, Scores], Any]
) -> Scores:
    """For each word and tag what all valid paths that end there come to, float64 [texts, words, tags].

    Args:
        every: reduces [texts, tags] to [texts]: `max` for the best path, the sum for all of them.
        either: does so of two.
    """
    made = np.empty_like(scores)
    made[:, 0] = scores[:, 0]
    made[:, 0, _I] = -np.inf
    for word in range(1, scores.shape[1]):
        earlier = made[:, word - 1]
        made[:, word] = scores[:, word] + every(earlier)[:, None]
        made[:, word, _I] = scores[:, word, _I] + either(earlier[:, _B], earlier[:, _I])
    return made


def _best_path(scores: Scores) -> NDArray[np.int64]:
    """The tags of the most probable valid path, int64 [texts, words]."""
    texts, words, _ = scores.shape
    best = _forward(scores, lambda earlier: earlier.max(axis=1), np.maximum)
    rows = np.arange(texts)
    path = np.empty((texts, words), np.int64)
    path[:, -1] = best[:, -1].argmax(axis=1)
    for word in range(words - 2, -1, -1):
        later = path[:, word + 1]
        began = best[rows, word, np.maximum(later - 1, 0)] >= best[rows, word, later]
        inside = np.where(began, later - 1, later)
        path[:, word] = np.where((later > 0) & (later % 2 == 0), inside, best[:, word].argmax(axis=1))
    return path


def _leaving(scores: Scores) -> Scores:
    """For each word the log-sum of all that may follow it where it is the last of an entity, float64 [texts, words]."""
    leaving = np.zeros(scores.shape[:2])
    rest = np.zeros((len(scores), scores.shape[2]))  # of what follows each tag of the word that is looked at
    for word in range(scores.shape[1] - 2, -1, -1):
        later = scores[:, word + 1] + rest
        leaving[:, word] = np.logaddexp(later[:, 0], _log_sum(later[:, _B]))
        rest[:, 0] = leaving[:, word]
        staying = np.logaddexp(leaving[:, word, None], later[:, _I])
        rest[:, _B], rest[:, _I] = staying, staying
    return leaving


def _log_sum(values: Scores) -> Scores:
    """Logarithm of the sum of exp over the last axis, which has one finite value or is all -inf."""
    top = values.max(axis=-1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    with np.errstate(divide="ignore"):
        found: Scores = np.log(np.exp(values - top).sum(axis=-1)) + top[..., 0]
    return found
