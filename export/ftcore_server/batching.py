"""Dynamic batching: features of all waiting requests share batches of like length, within a budget of tokens.

A worker tokenises what has arrived, so that a request goes from the event loop to one other thread and back. Its inputs
become features (an input, or a window of one). A free worker takes the feature that has waited longest and fills its
batch with the features nearest to it in length, of any request, out of those that have waited long. A batch is
closed before more than a quarter of it would be padding: two batches are then less work than one. Texts that are to
come whole are generated in batches alike; one that is streamed is generated alone.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer, TextAnswer
from ftcore_runtime.cpus import cpu_count
from ftcore_runtime.decoders import Decoder, Prepared
from ftcore_runtime.encoding import Encoded, TextEncoder
from ftcore_runtime.errors import BundleError, InputError
from ftcore_runtime.generation.packing import pack, unpack
from ftcore_runtime.generation.search import Generated
from ftcore_runtime.inputs import Input
from ftcore_runtime.one_pass import require_finite
from ftcore_runtime.outputs import join_batches
from ftcore_runtime.pipeline import Pipeline
from ftcore_server.batch_choice import Feature, choose
from ftcore_server.problems import Problem
from ftcore_server.settings import Batching

T = TypeVar("T")

_AT_ONCE = 16  # requests that one worker tokenises before another gets its share


@dataclass(eq=False)
class Work:
    """One request: its inputs, then its features, waiting for what the graphs make of them.

    Args:
        inputs: at least one.
        top_k: most probable labels or candidates of an answer; see `Pipeline.predict`.
        done: called once, in a worker's thread, with the answers or an error.
        answer_ids: tokens of one answer that are scored after each input, int64 [tokens]; nothing is generated then,
            and `done` gets no answers. None where there is nothing to score.
        emit: called before that, in the same thread, with what each token adds to the one text that is generated; the
            text is generated greedily then. None where it is to come whole.
        cancelled: set where nobody waits any more: features that have not run are dropped, a text is left off.
        finished: set where all its features have been in a batch.
        prepared: the features, once they are made.
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
    arrived: float = field(default_factory=time.monotonic)
    rows: dict[int, Mapping[str, np.ndarray]] = field(default_factory=dict)
    generated: dict[int, Sequence[Generated]] = field(default_factory=dict)
    scores: dict[int, NDArray[np.float32]] = field(default_factory=dict)

    @property
    def complete(self) -> bool:
        """Whether it can be answered; a text that is streamed is generated then."""
        done = len(self.rows) + len(self.generated) + len(self.scores)
        return self.emit is not None or done == len(self.prepared.encoded)

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


class Batcher:
    """Threads that run batches of one pipeline until `close`.

    Args:
        tokens: of one request, at most.
        observe: called after each batch with its features and its padded tokens.
    """

    def __init__(
        self, pipeline: Pipeline, config: Batching, tokens: int, observe: Callable[[int, int], None]
    ) -> None:
        self._pipeline = pipeline
        self._config = config
        self._tokens = tokens
        self._observe = observe
        self._arrived: list[Work] = []
        self._waiting: list[Feature] = []
        self._changed = threading.Condition()
        self._closed = False
        self._threads = [
            threading.Thread(target=self._work, name=f"batches-{number}", daemon=True)
            for number in range(config.workers or max(1, cpu_count() // config.threads))
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, work: Work) -> None:
        """Queue a request."""
        with self._changed:
            self._arrived.append(work)
            self._changed.notify()

    def close(self, seconds: float) -> bool:
        """Finish what is queued, then end the threads; returns whether they ended within so many seconds.

        After half of them whatever runs is stopped, which it does between two operators of a graph.
        """
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if not self._ended(seconds / 2):
            self._pipeline.stop()
        return self._ended(seconds / 2)

    def _ended(self, seconds: float) -> bool:
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while batch := self._take():
            try:
                self._answer(batch)
            except Exception as error:  # noqa: BLE001 (a worker outlives any request; the error is its request's)
                self._refuse(batch, error)

    def _take(self) -> list[Feature]:
        """The next batch; empty once closed. What has arrived is tokenised first, with the lock open."""
        while True:
            with self._changed:
                arrived, self._arrived = self._arrived[:_AT_ONCE], self._arrived[_AT_ONCE:]
                if self._arrived:
                    self._changed.notify()
                if not arrived and (batch := self._ready()) is not None:
                    return batch
            features = [feature for work in arrived for feature in self._features(work)]
            with self._changed:
                self._waiting += features

    def _ready(self) -> list[Feature] | None:
        """The next batch, empty once closed; None where there was none and some time has gone by."""
        self._waiting = [feature for feature in self._waiting if not feature.work.cancelled]
        if not self._waiting:
            if self._closed:
                return []
            self._changed.wait()
            return None
        wait = self._waiting[0].work.arrived + self._config.delay_seconds - time.monotonic()
        batch = self._next()
        if wait > 0 and len(batch) == len(self._waiting) and not self._closed:
            self._changed.wait(wait)
            return None
        taken = set(map(id, batch))
        self._waiting = [feature for feature in self._waiting if id(feature) not in taken]
        if self._waiting:
            self._changed.notify()
        return batch

    def _features(self, work: Work) -> list[Feature]:
        """Tokenise a request; none where nobody waits for it any more, or it is refused."""
        if work.cancelled:
            return []
        try:
            work.prepared = self._pipeline.decoder.prepare(work.inputs, self._pipeline.encoder)
            scored = 0 if work.answer_ids is None else len(work.answer_ids)
            lengths = [length + scored for length in work.prepared.encoded.lengths.tolist()]
            if sum(lengths) > self._tokens:
                raise Problem(413, "too_large", f"the inputs have more than {self._tokens:,} tokens together")
        except Exception as error:  # noqa: BLE001 (handed to the request that it belongs to)
            work.done(work, error)
            return []
        return [Feature(length, work, index) for index, length in enumerate(lengths)]

    def _next(self) -> list[Feature]:
        """The first that waits, with batch-mates: none if it is streamed, those of its own request if it is scored."""
        config, first = self._config, self._waiting[0]
        if not self._pipeline.generates:
            return choose(self._waiting, config.tokens)
        if first.work.emit is not None:
            return [first]
        if first.work.answer_ids is not None:
            own = [feature for feature in self._waiting if feature.work is first.work]
            return choose(own, config.tokens)
        whole = [
            feature
            for feature in self._waiting
            if feature.work.emit is None and feature.work.answer_ids is None
        ]
        return choose(whole, config.tokens * config.texts, config.texts)

    def _answer(self, batch: list[Feature]) -> None:
        try:
            self._run(batch)
        except (BundleError, InputError) as error:
            by_work = _by_work(batch)
            if len(by_work) == 1:
                self._refuse(batch, error)
                return
            for features in by_work.values():  # one request's features must not fail another's
                self._answer(features)
            return
        self._observe(len(batch), max(feature.length for feature in batch) * len(batch))
        with self._changed:  # another worker may have had the rest of a request at the same time
            finished = [
                work for work in _by_work(batch) if work.complete and not (work.cancelled or work.finished)
            ]
            for work in finished:
                work.finished = True
        for work in finished:
            work.done(work, self._decoded(work))

    def _run(self, batch: list[Feature]) -> None:
        """Run the graphs, and give each request what they make of its features."""
        pipeline, encoded = self._pipeline, _merged(batch)
        if not pipeline.generates:
            outputs = pipeline.session.run(pipeline.encoder.collate(encoded))
            for index, feature in enumerate(batch):
                feature.work.rows[feature.index] = {name: array[index] for name, array in outputs.items()}
            return
        sources = Prepared(encoded, np.array([feature.index for feature in batch]))
        if (ids := batch[0].work.answer_ids) is not None:
            scores = pipeline.generator.log_probabilities(sources, ids)
            for feature, row in zip(batch, scores, strict=True):
                feature.work.scores[feature.index] = row
        elif batch[0].work.emit is None:
            generated = unpack(pipeline.generator.run(sources, len(batch)))
            for feature, texts in zip(batch, generated, strict=True):
                feature.work.generated[feature.index] = texts

    def _decoded(self, work: Work) -> list[Answer] | Exception:
        pipeline = self._pipeline
        try:
            if work.emit is not None:
                return [self._written(work, work.emit)]
            if work.answer_ids is not None:
                return []
            outputs = work.outputs(pipeline.decoder, pipeline.encoder)
            return pipeline.decoder.decode(outputs, work.prepared, work.top_k)
        except Exception as error:  # noqa: BLE001 (handed to the request that it belongs to)
            return error

    def _written(self, work: Work, emit: Callable[[str], None]) -> TextAnswer:
        """Write for as long as somebody waits."""
        text = ""
        for piece in self._pipeline.pieces(work.prepared):
            if work.cancelled:
                break
            emit(piece)
            text += piece
        return TextAnswer(text)

    def _refuse(self, batch: list[Feature], error: Exception) -> None:
        for work in _by_work(batch):
            if not work.cancelled:
                work.cancelled = True
                work.done(work, error)


def _by_work(batch: Sequence[Feature]) -> dict[Work, list[Feature]]:
    found: dict[Work, list[Feature]] = {}
    for feature in batch:
        found.setdefault(feature.work, []).append(feature)
    return found


def _merged(batch: Sequence[Feature]) -> Encoded:
    """Features of several requests as one `Encoded`."""
    sources = [(feature.work.prepared.encoded, feature.index) for feature in batch]
    typed = sources[0][0].token_type_ids is not None
    return Encoded(
        input_ids=[encoded.input_ids[index] for encoded, index in sources],
        token_type_ids=[(encoded.token_type_ids or [])[index] for encoded, index in sources]
        if typed
        else None,
        lengths=np.fromiter((feature.length for feature in batch), np.int64, len(batch)),
        truncated=np.zeros(len(batch), bool),
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
