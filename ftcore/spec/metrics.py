"""What a metric is: what families say of theirs, for checks of names, for comparisons and for the reference."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class MetricInfo:
    """One metric of a family.

    Args:
        text: what it measures, for the reference.
        lower: whether less of it is better.
        point: what one point of it is: 0.01 of one from 0 to 1, 1 of one on a scale of its own.
    """

    text: str
    lower: bool = False
    point: float = 0.01


#: A metric of which no more is known, like those of plugins: the more the better, from 0 to 1.
UNKNOWN = MetricInfo("")
