"""Numbers that are to be learnt: those far from all others, and those that stand for nothing."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ftcore.audit.findings import Example, Finding, counted, kept
from ftcore.audit.texts import Texts

_FEWEST = 20  # numbers of which something can be said, and different ones there must be for one of them to stand out
_FAR = 10.0  # ranges between the quartiles, from the nearer quartile on


def odd_numbers(rows: Texts) -> Iterator[Finding]:
    """Nothing where answers are of another kind."""
    if len(rows) < _FEWEST or not all(isinstance(answer, int | float) for answer in rows.answers):
        return
    numbers = np.array(rows.answers, np.float64)
    low, high = np.percentile(numbers, [25, 75])
    reach = _FAR * (high - low)
    far = np.flatnonzero((numbers < low - reach) | (numbers > high + reach)).tolist()
    if reach and far:
        what = f"{counted(len(far), 'row')} with a number far from most: half of all are from {low:g} to {high:g}"
        hint = "see whether they are right: one of them may count for more than hundreds of others"
        examples = [Example((rows.row(index),), f"{numbers[index]:g}") for index in far]
        yield Finding("far numbers", "warning", what, len(far), hint, kept(examples))
    negative = np.flatnonzero(numbers < 0).tolist()
    if len(negative) > 1 and len(set(numbers[negative])) == 1 and len(set(numbers)) > _FEWEST:
        what = f"{counted(len(negative), 'row')} with {numbers[negative[0]]:g}, the only negative number"
        hint = "if it stands for a number that is missing, leave these rows out with `data.where`"
        yield Finding("missing numbers", "warning", what, len(negative), hint, rows.examples(negative))
