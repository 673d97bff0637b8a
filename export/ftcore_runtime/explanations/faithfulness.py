"""Whether an explanation holds when it is tried: comprehensiveness and sufficiency against random orders.

DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", with their shares of the input.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Sequence
from statistics import fmean

from ftcore_runtime.answers import Answer
from ftcore_runtime.explanations.explanation import SHARES, Faithfulness, Reason
from ftcore_runtime.explanations.parts import CutInput
from ftcore_runtime.inputs import Input

_ORDERS = 5  # random ones

Removed = frozenset[int]


def measure_faithfulness(
    cut: CutInput, reason: Reason, occluded: Sequence[Answer] = (), simple: Reason | None = None
) -> Generator[list[Input], Sequence[Answer], Faithfulness]:
    """Measure it; see `occlude` for what is yielded.

    Args:
        reason: whose weights order the parts.
        occluded: answers without one part each, where they are known.
        simple: the same target's by gradient x input, which a better method must do better than.
    """
    count = len(cut.parts)
    sizes = [math.ceil(share * count) for share in SHARES]
    named = [reason.ranked()] if simple is None else [reason.ranked(), simple.ranked()]
    orders = [*named, *_random_orders(cut)]
    everything = frozenset(range(count))
    best = [[frozenset(order[:size]) for size in sizes] for order in orders]
    rest = [[everything - kept for kept in row] for row in best]
    known = {frozenset([index]): answer for index, answer in enumerate(occluded)}
    asked = dict.fromkeys(removed for row in best + rest for removed in row if removed not in known)
    answers = yield [cut.without(removed) for removed in asked]
    known |= dict(zip(asked, answers, strict=True))

    def falls(rows: Sequence[Sequence[Removed]]) -> tuple[float, ...]:
        """Of the score, the mean over the orders, for each share."""
        columns = zip(*rows, strict=True)
        return tuple(
            fmean(reason.score - known[one].support(reason.target) for one in column) for column in columns
        )

    chance = len(named)
    return Faithfulness(
        without=falls(best[:1]),
        alone=falls(rest[:1]),
        random_without=falls(best[chance:]),
        random_alone=falls(rest[chance:]),
        simple=None if simple is None else fmean(falls(best[1:2])),
    )


def _random_orders(cut: CutInput) -> list[list[int]]:
    """The same for the same input."""
    draw = random.Random("\n".join(cut.texts.values()))
    return [draw.sample(range(len(cut.parts)), len(cut.parts)) for _ in range(_ORDERS)]
