"""Changes to the next token's scores before one is chosen: shortest length, repeated n-grams, sampling's cuts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.generation.model import Floats, Ids
from ftcore_runtime.generation.settings import GenerationSettings, Sampling
from ftcore_runtime.softmax import log_softmax

#: Stands before a row's first token, where other rows have more.
BEFORE = -1


def is_end(tokens: Ids, eos_ids: tuple[int, ...]) -> NDArray[np.bool_]:
    """Which tokens end an answer; for the few ends that there are far quicker than `np.isin`."""
    ends: NDArray[np.bool_] = tokens == eos_ids[0]
    for other in eos_ids[1:]:
        ends |= tokens == other
    return ends


def process(
    scores: Floats, tokens: Ids, made: Ids | int, settings: GenerationSettings, eos_ids: tuple[int, ...]
) -> Floats:
    """Scores of the next token with those that are not allowed at -inf; the array may be changed in place.

    Args:
        scores: float32 [rows, vocabulary].
        tokens: int64 [rows, so far], the prompt first; filled up with `BEFORE` at the left.
        made: how many of them are the answer's, of each row (int64 [rows]) or of all.
    """
    if settings.no_repeat_ngram_size:
        _ban_repeats(scores, tokens, settings.no_repeat_ngram_size)
    if settings.min_length:
        short = np.broadcast_to(np.less(made, settings.min_length), len(scores))
        scores[np.ix_(short, np.array(eos_ids))] = -np.inf
    return scores


def _ban_repeats(scores: Floats, tokens: Ids, size: int) -> None:
    """Every n-gram before that begins like the last `size` - 1 tokens bans what it ended with."""
    length = tokens.shape[1]
    if length < size:
        return
    windows = np.lib.stride_tricks.sliding_window_view(tokens, size, axis=1)
    alike = (windows[..., :-1] == tokens[:, None, length + 1 - size :]).all(axis=-1)
    alike &= windows[..., 0] != BEFORE
    rows, columns = np.nonzero(alike)
    scores[rows, windows[rows, columns, -1]] = -np.inf


def restrict(scores: Floats, sampling: Sampling) -> Floats:
    """Scores over temperature, with all that is outside `top_k` and `top_p` at -inf."""
    scores = scores / np.float32(sampling.temperature)
    if 0 < sampling.top_k < scores.shape[1]:
        least = np.partition(scores, -sampling.top_k, axis=1)[:, -sampling.top_k, None]
        scores = np.where(scores < least, -np.inf, scores).astype(np.float32)
    if sampling.top_p < 1:
        order = np.argsort(scores, axis=1, kind="stable")  # ascending, as transformers cuts it
        total = np.cumsum(np.exp(log_softmax(np.take_along_axis(scores, order, axis=1))), axis=1)
        out = total <= 1 - sampling.top_p
        out[:, -1] = False
        removed = np.zeros_like(out)
        np.put_along_axis(removed, order, out, axis=1)
        scores = np.where(removed, -np.inf, scores).astype(np.float32)
    return scores
