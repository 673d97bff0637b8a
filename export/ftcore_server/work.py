"""One request on its way through the batches, and how the event loop hears that it is done."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders import Decoder, Prepared
from ftcore_runtime.encoding import Encoded, TextEncoder
from ftcore_runtime.generation.packing import pack
from ftcore_runtime.generation.running import Generated
from ftcore_runtime.inputs import Input
from ftcore_runtime.one_pass import require_finite
from ftcore_runtime.outputs import join_batches

T = TypeVar("T")


@dataclass(eq=False)
class Work:
    """One request: its inputs, then its features, waiting for what the graphs make of them.

    Args:
        inputs: at least one.
        top_k: most probable labels or candidates of an answer; see `Pipeline.predict`.
        done: called once, in a worker's thread, with the answers or an error.
        answer_ids: tokens of one answer that are scored after each input, int64 [tokens]; nothing is generated then,
            and `done` gets no answers. None where there is nothing to score.
        emit: called before that, in a worker's thread, with what each token adds to the one text that is generated; the
            text is generated greedily then. None where it is to come whole.
        cancelled: set where nobody waits any more: features that have not run are dropped, a text is left off.
        finished: set where all its features have been in a batch.
        prepared: the features, once they are made.
        text: what was emitted so far.
        rows, generated, scores: of the features that were in a batch, by index: their rows of the graph's outputs, the
            texts that were generated for them, or what `answer_ids` are given, float32 [tokens].
    """

    inputs: Sequence[Input]
    top_k: int | None
    done: Callable[[Work, list[Answer] | Exception], None]
    emit: Callable[[str], None] | None = None
    answer_ids: NDArray[np.int64] | None = None
    cancelled: bool = False
    finished: bool = False
    prepared: Prepared = field(init=False)
    text: str = ""
    arrived: float = field(default_factory=time.monotonic)
    rows: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)
    generated: dict[int, Sequence[Generated]] = field(default_factory=dict)
    scores: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def streamed(self) -> bool:
        """Whether its one text is emitted while it is written."""
        return self.emit is not None

    @property
    def complete(self) -> bool:
        """Whether it can be answered."""
        return len(self.rows) + len(self.generated) + len(self.scores) == len(self.prepared.encoded)

    def refuse(self, error: Exception) -> None:
        """Answer with an error, unless nobody waits any more; what is queued of it is dropped."""
        if not self.cancelled:
            self.cancelled = True
            self.done(self, error)

    def outputs(self, decoder: Decoder, encoder: TextEncoder) -> dict[str, np.ndarray]:
        """The rows that came from different batches as whole outputs, in the order of the features."""
        if self.generated:
            return dict(pack([self.generated[index] for index in range(len(self.generated))]))
        lengths = self.prepared.encoded.lengths if decoder.by_token else None
        made = {}
        for name in decoder.outputs:
            parts = [self.rows[index][name][None] for index in range(len(self.rows))]
            made[name] = join_batches(parts, lengths, encoder.config.pad_side)
            require_finite(made[name], self.prepared.row, lengths)
        return made


@dataclass(frozen=True, slots=True)
class Feature:
    """One row of a batch: its length in tokens, its request, and its index among the request's features."""

    length: int
    work: Work
    index: int


def by_request(features: Sequence[Feature]) -> dict[Work, list[Feature]]:
    """Features of each request, in the order in which requests come first."""
    found: dict[Work, list[Feature]] = {}
    for feature in features:
        found.setdefault(feature.work, []).append(feature)
    return found


def merged(features: Sequence[Feature]) -> Encoded:
    """Features of several requests as one `Encoded`."""
    sources = [(feature.work.prepared.encoded, feature.index) for feature in features]
    typed = sources[0][0].token_type_ids is not None
    return Encoded(
        input_ids=[encoded.input_ids[index] for encoded, index in sources],
        token_type_ids=[(encoded.token_type_ids or [])[index] for encoded, index in sources]
        if typed
        else None,
        lengths=np.fromiter((feature.length for feature in features), np.int64, len(features)),
        truncated=np.zeros(len(features), bool),
    )


def answer_into(
    future: asyncio.Future[list[Answer]],
) -> Callable[[Any, list[Answer] | Exception], None]:
    """A `Work.done` that settles a future of another thread's event loop, if somebody still waits for it."""
    loop = future.get_loop()

    def settle(result: list[Answer] | Exception) -> None:
        if future.done():
            return
        if isinstance(result, Exception):
            future.set_exception(result)
        else:
            future.set_result(result)

    return lambda work, result: in_loop(loop, settle, result)


def in_loop(loop: asyncio.AbstractEventLoop, call: Callable[[T], None], argument: T) -> None:
    """Call something in another thread's event loop, unless that has ended."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, argument)
