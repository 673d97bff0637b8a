"""What a loaded variant takes: time to load, latency of one text, rows a second, as its users would see them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import cycle
from typing import Any, TypeVar

import numpy as np

from ftcore_runtime.cpus import cpu_count
from ftcore_runtime.inputs import Input
from ftcore_runtime.pipeline import Pipeline

_WARM_UP = 5  # answers before the clock starts: the first ones allocate
_SINGLE = 100  # answers timed one at a time
_BATCHED = 192  # rows timed in batches, at least
_STRETCH, _GENERATED = 128, 32  # rows between two looks at the clock; texts take longer to write
_LONGEST = 10.0  # seconds that either of the two may take

_Made = TypeVar("_Made")


@dataclass(frozen=True)
class Speed:
    """Measured end to end, tokenization included, on texts of the length that real ones have.

    Args:
        load_ms: from the folder to a pipeline, every hash checked.
        p50_ms, p95_ms: of one text at a time.
        rows_per_second: in batches of 32.
        threads: at work at a time.
    """

    load_ms: float
    p50_ms: float
    p95_ms: float
    rows_per_second: float
    threads: int

    def to_json(self) -> dict[str, Any]:
        """As a JSON object."""
        return asdict(self)


def timed(make: Callable[[], _Made]) -> tuple[_Made, float]:
    """What `make` returns, and the seconds that it takes."""
    started = time.perf_counter()
    made = make()
    return made, time.perf_counter() - started


def warm_up(pipeline: Pipeline, inputs: Sequence[Input]) -> None:
    """Answer a few inputs: the first answers allocate what later ones use again."""
    for item in inputs[:_WARM_UP]:
        pipeline.predict([item])


def measure_speed(
    pipeline: Pipeline, load_seconds: float, inputs: Sequence[Input], answered: tuple[int, float] = (0, 0.0)
) -> Speed:
    """Time a pipeline that is warm on these inputs; a few seconds.

    Args:
        load_seconds: what it took to load it.
        answered: rows that it has answered in batches of 32 already, and the seconds that they took: where they are
            enough, no more are answered.

    Raises:
        ValueError: there are no inputs.
    """
    if not inputs:
        raise ValueError("there is nothing to time")
    singles: list[float] = []
    for item in cycle(inputs):
        _, seconds = timed(partial(pipeline.predict, [item]))
        singles.append(seconds)
        if len(singles) >= _SINGLE or sum(singles) > _LONGEST:
            break
    rows, spent = answered
    while rows < _BATCHED and spent < _LONGEST:
        some = inputs[rows % len(inputs) :][: _GENERATED if pipeline.generates else _STRETCH]
        _, seconds = timed(partial(pipeline.predict, some, batch_size=32))
        rows, spent = rows + len(some), spent + seconds
    p50, p95 = np.percentile(singles, [50, 95]) * 1000
    return Speed(load_seconds * 1000, float(p50), float(p95), rows / spent, cpu_count())
