"""Scoring with Ray Data: a pool of actors, each with a session of one thread, that answer an input part by part.

An actor reads the input forward, once, and answers the parts that it is given, in their order: nothing but the parts'
numbers travels through Ray.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import ray

from ftcore_runtime.errors import UserError
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.rows import Row
from ftcore_server.offline.lines import answer_lines
from ftcore_server.offline.parts import Parts
from ftcore_server.offline.source import Source

_STORE_BYTES = 2**27  # Ray's memory for what travels


@dataclass(frozen=True)
class Job:
    """What every actor is given.

    Args:
        bundle, variant: who answers.
        source: the input.
        parts: where the answers go.
        batch_size: of the pipeline.
        keep, top_k: see `answer_lines`.
    """

    bundle: Path
    variant: str
    source: Source
    parts: Parts
    batch_size: int
    keep: bool
    top_k: int | None


class Worker:
    """Answers parts; an actor of Ray Data's."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._pipeline = Pipeline.load(job.bundle, job.variant, threads=1)
        self._rows: Iterator[Row] = iter(())
        self._next: int | None = None  # the part that begins where the rows are

    def __call__(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Write the parts of a batch; what a user can fix is its `error`: of an exception Ray would bring the text."""
        error = ""
        try:
            for number in batch["part"].tolist():
                self._write(number)
        except UserError as found:
            error = json.dumps([found.what, found.where, found.hint])
        return {**batch, "error": [error] * len(batch["part"])}

    def _write(self, number: int) -> None:
        job, rows = self._job, self._from(number)
        lines = answer_lines(self._pipeline, rows, job.batch_size, keep=job.keep, top_k=job.top_k)
        job.parts.write(number, (chunk.data for chunk in lines))

    def _from(self, number: int) -> Iterator[Row]:
        """The rows of a part."""
        size = self._job.parts.rows
        if self._next is None or number < self._next:
            self._rows, self._next = self._job.source.rows(), 0
        skipped = (number - self._next) * size
        self._next = number + 1
        return islice(self._rows, skipped, skipped + size)


def run(job: Job, missing: list[int], workers: int) -> None:
    """Write the missing parts.

    Args:
        workers: actors, each with a CPU.

    Raises:
        UserError: an actor could not read or write.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # on by default
    ray.init(
        address="local",
        num_cpus=workers,
        object_store_memory=_STORE_BYTES,
        include_dashboard=False,
        log_to_driver=False,
        logging_level=logging.ERROR,
    )
    try:
        logging.getLogger("ray.data").setLevel(logging.ERROR)
        context = ray.data.DataContext.get_current()
        context.enable_progress_bars = False
        numbers = ray.data.from_items([{"part": part} for part in missing], override_num_blocks=len(missing))
        done = numbers.map_batches(
            Worker,
            fn_constructor_args=(job,),
            batch_size=1,
            num_cpus=1,
            compute=ray.data.ActorPoolStrategy(size=min(workers, len(missing))),
        )
        for row in done.iter_rows():
            if row["error"]:
                what, where, hint = json.loads(row["error"])
                raise UserError(what, where=where, hint=hint)
    finally:
        ray.shutdown()
