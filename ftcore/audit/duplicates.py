"""Texts that are nearly the same: MinHash (Broder 1997) finds candidates, their shingles decide.

Signatures are datasketch's. Its index keeps a set of Python objects for every bucket of every band, a gigabyte of
100,000 rows; here each band is one sorted array, and memory is that of the signatures.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

#: Share of the shingles of two texts that both have, from which they count as nearly the same.
ALIKE = 0.75
_BANDS, _ROWS = 25, 5  # at 0.75 a pair shares a band with a probability of 0.999, at 0.3 with 0.06
_SURELY_NOT = ALIKE - 0.17  # of the estimate, whose standard deviation is 0.04 there
_SHINGLE, _IDEOGRAPHS_SHINGLE = 3, 2  # characters
_IDEOGRAPHS = 0x2E80  # from here on words have no blanks between them
_SHORTEST = 10  # shingles below which a share says little
_LONGEST = 4_000  # characters of a text that are compared
_CHUNK = 4_096  # pairs


class Links(NamedTuple):
    """Of each text, the first earlier one that it is like.

    Args:
        earlier: int64 [texts]; -1 where there is none.
        similarity: share of the shingles of both that both have, float64 [texts].
    """

    earlier: np.ndarray
    similarity: np.ndarray


def near_duplicates(texts: Sequence[str]) -> Links:
    """Find for each text an earlier one that is nearly the same. Time and memory grow with the texts alone.

    Args:
        texts: without case and punctuation, each different from the others.
    """
    earlier = np.full(len(texts), -1, np.int64)
    similarity = np.zeros(len(texts))
    long = np.array([i for i, text in enumerate(texts) if len(_shingles(text)) >= _SHORTEST], np.int64)
    if len(long) < 2:
        return Links(earlier, similarity)
    signatures = _signatures([texts[index] for index in long])
    for first, second in _candidates(signatures):
        one, other = long[first], long[second]
        if 0 <= earlier[other] <= one:
            continue
        share = _jaccard(_shingles(texts[one]), _shingles(texts[other]))
        if share >= ALIKE:
            earlier[other], similarity[other] = one, share
    return Links(earlier, similarity)


def _shingles(text: str) -> np.ndarray:
    """Hashes of the different sequences of characters in a text, uint32, ascending."""
    codes = np.frombuffer(text[:_LONGEST].encode("utf-32-le", "surrogatepass"), np.uint32).astype(np.uint64)
    size = _IDEOGRAPHS_SHINGLE if 2 * np.count_nonzero(codes >= _IDEOGRAPHS) > len(codes) else _SHINGLE
    count = max(0, len(codes) - size + 1)
    value = np.full(count, size, np.uint64)
    for start in range(size):
        value = value * np.uint64(0x100000001B3) + codes[start : start + count]
    value ^= value >> np.uint64(29)  # the bits of every character reach those that are kept
    value *= np.uint64(0xBF58476D1CE4E5B9)
    return np.unique((value >> np.uint64(32)).astype(np.uint32))


def _jaccard(one: np.ndarray, other: np.ndarray) -> float:
    both = len(np.intersect1d(one, other, assume_unique=True))
    return both / (len(one) + len(other) - both)


def _signatures(texts: Sequence[str]) -> np.ndarray:
    """MinHash signatures, uint32 [texts, bands * rows]."""
    from datasketch import MinHash

    shingles = (_shingles(text).tolist() for text in texts)
    made = MinHash.generator(shingles, num_perm=_BANDS * _ROWS, hashfunc=int)
    signatures = np.empty((len(texts), _BANDS * _ROWS), np.uint32)
    for index, one in enumerate(made):
        signatures[index] = one.hashvalues
    return signatures


def _candidates(signatures: np.ndarray) -> Iterator[tuple[int, int]]:
    """Pairs of texts that share a band and look alike by their signatures, ascending.

    Of texts that share one, each is paired with the first of them and with its predecessor: at most two pairs a band
    and text, however many there are.
    """
    texts = len(signatures)
    found = [np.empty(0, np.int64)]
    for band in range(_BANDS):
        key = np.zeros(texts, np.uint64)
        for column in signatures[:, band * _ROWS : (band + 1) * _ROWS].T:
            key = (key ^ column) * np.uint64(0x9E3779B97F4A7C15)
            key ^= key >> np.uint64(32)
        order = np.argsort(key, kind="stable")
        same = np.concatenate([[False], key[order][1:] == key[order][:-1]])
        start = np.maximum.accumulate(np.where(same, 0, np.arange(texts)))
        members = np.flatnonzero(same)
        for partner in (start[members], members - 1):
            found.append(order[partner] * texts + order[members])
    pairs = np.unique(np.concatenate(found))
    for begin in range(0, len(pairs), _CHUNK):
        one, other = np.divmod(pairs[begin : begin + _CHUNK], texts)
        alike = (signatures[one] == signatures[other]).mean(1) >= _SURELY_NOT
        yield from zip(one[alike].tolist(), other[alike].tolist(), strict=True)
