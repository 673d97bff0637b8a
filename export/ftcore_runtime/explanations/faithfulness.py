"""Whether an explanation holds when it is tried: comprehensiveness and sufficiency against random orders.

DeYoung et al. 2020, "ERASER: A Benchmark to Evaluate Rationalized NLP Models", with their shares of the input.
"""

from __future__ import annotations

import math
import random
from collections.abc import Generator, Sequence

from ftcore_runtime.answers import Answer
from ftcore_runtime.explanations.explanation import Faithfulness, Reason
from ftcore_runtime.explanations.parts import CutInput
from ftcore_runtime.inputs import Input

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
_ORDERS = 5  # random ones

Removed = frozenset[int]


def measure_faithfulness(
    cut: CutInput, reason: Reason, occluded: Sequence[Answer] = ()
) -> Generator[list[Input], Sequence[Answer], Faithfulness]:
    """Measure it; see `occlude` for what is yielded.

    Args:
        reason: whose weights order the parts.
        occluded: answers without one part each, where they are known.
    """
    count = len(cut.parts)
    sizes = [math.ceil(share * count) for share in SHARES]
    orders = [reason.ranked(), *_random_orders(cut)]
    everything = frozenset(range(count))
    best = [[frozenset(order[:size]) for size in sizes] for order in orders]
    rest = [[everything - kept for kept in row] for row in best]
    known = {frozenset([index]): answer for index, answer in enumerate(occluded)}
    asked = dict.fromkeys(removed for row in best + rest for removed in row if removed not in known)
    answers = yield [cut.without(removed) for removed in asked]
    known |= dict(zip(asked, answers, strict=True))

    def mean_fall(rows: Sequence[Sequence[Removed]]) -> float:
        falls = [reason.score - known[removed].support(reason.target) for row in rows for removed in row]
        return math.fsum(falls) / len(falls)

    return Faithfulness(mean_fall(best[:1]), mean_fall(rest[:1]), mean_fall(best[1:]), mean_fall(rest[1:]))


def _random_orders(cut: CutInput) -> list[list[int]]:
    """The same for the same input."""
    draw = random.Random("\n".join(cut.texts.values()))
    return [draw.sample(range(len(cut.parts)), len(cut.parts)) for _ in range(_ORDERS)]
