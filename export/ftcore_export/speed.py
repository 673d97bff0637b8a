"""What a loaded variant takes: time to load, latency of one text, rows a second, as its users would see them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import cycle
from typing import Any

import numpy as np

from ftcore_runtime.cpus import cpu_count
from ftcore_runtime.inputs import Input
from ftcore_runtime.pipeline import Pipeline

_WARM_UP = 5  # answers before the clock starts: the first ones allocate
_SINGLE = 100  # answers timed one at a time
_BATCHED = 256  # rows timed in batches
_STRETCH, _GENERATED = 128, 32  # rows between two looks at the clock; texts take longer to write
_LONGEST = 10.0  # seconds that either of the two may take


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


def timed_load(load: Callable[[], Pipeline]) -> tuple[Pipeline, float]:
    """The pipeline that `load` makes, and the milliseconds that it takes."""
    started = time.perf_counter()
    pipeline = load()
    return pipeline, (time.perf_counter() - started) * 1000


def measure_speed(pipeline: Pipeline, load_ms: float, inputs: Sequence[Input]) -> Speed:
    """Time a pipeline on these inputs; a few seconds.

    Args:
        load_ms: what `timed_load` found.

    Raises:
        ValueError: there are no inputs.
    """
    if not inputs:
        raise ValueError("there is nothing to time")
    for item in inputs[:_WARM_UP]:
        pipeline.predict([item])
    singles: list[float] = []
    for item in cycle(inputs):
        before = time.perf_counter()
        pipeline.predict([item])
        singles.append(time.perf_counter() - before)
        if len(singles) >= _SINGLE or sum(singles) > _LONGEST:
            break
    rows, spent = 0, 0.0
    while rows < _BATCHED and spent < _LONGEST:
        some = inputs[rows % len(inputs) :][: _GENERATED if pipeline.generates else _STRETCH]
        before = time.perf_counter()
        pipeline.predict(some, batch_size=32)
        spent += time.perf_counter() - before
        rows += len(some)
    p50, p95 = np.percentile(singles, [50, 95]) * 1000
    return Speed(load_ms, float(p50), float(p95), rows / spent, cpu_count())
