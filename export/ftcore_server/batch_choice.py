"""Which of the waiting features make the next batch: the oldest, and those nearest to it in length."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence

from ftcore_server.work import Feature

_PADDING = 0.25  # of a batch, at most
#: Batches' worth of the oldest features that a batch is chosen from. Out of a whole full queue, what has an odd length
#: is overtaken until it is the oldest: simulated with tweets and a queue of 128, the slowest hundredth waits 1.8 times
#: as long as the median, and with this 1.4 times, for 3 % fewer a second.
_AHEAD = 6


def choose(waiting: Sequence[Feature], tokens: int, most: int | None = None) -> list[Feature]:
    """A batch out of `waiting`, which is in the order of arrival; the first one is in it.

    Args:
        tokens: of the batch, padding included; a feature that is longer goes alone.
        most: features of the batch, at most; any number unless given.
    """
    ranked = sorted(_oldest(waiting, _AHEAD * tokens), key=lambda feature: feature.length)
    seed = waiting[0]
    left = bisect_left(ranked, seed.length, key=lambda feature: feature.length)
    left = next(index for index in range(left, len(ranked)) if ranked[index] is seed)
    right = left + 1
    used = longest = seed.length
    while (left > 0 or right < len(ranked)) and right - left != most:
        shorter = ranked[left - 1].length if left > 0 else None
        longer = ranked[right].length if right < len(ranked) else None
        # Take whichever wastes less: a shorter one is padded itself, a longer one pads all that are there.
        take_longer = shorter is None or (
            longer is not None and (longer - longest) * (right - left) <= longest - shorter
        )
        added = longer if take_longer else shorter
        assert added is not None
        width = max(longest, added)
        cells = width * (right - left + 1)
        if cells > tokens or used + added < (1 - _PADDING) * cells:
            break
        used, longest = used + added, width
        left, right = (left, right + 1) if take_longer else (left - 1, right)
    return ranked[left:right]


def _oldest(waiting: Sequence[Feature], tokens: int) -> list[Feature]:
    """The first of `waiting` that have so many tokens together, or a few more."""
    found = []
    for feature in waiting:
        found.append(feature)
        tokens -= feature.length
        if tokens <= 0:
            break
    return found
