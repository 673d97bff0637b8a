"""One version of a model: a loaded bundle that has passed its self-test, its batches, its drift, its requests."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import AsyncGenerator, Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders import Prepared
from ftcore_runtime.inputs import Input
from ftcore_runtime.reference import Reference, observations
from ftcore_runtime.special_tokens import unknown_id
from ftcore_server.batching import Batcher
from ftcore_server.contracts import Contract
from ftcore_server.drift import Drift
from ftcore_server.events import Generated
from ftcore_server.loading import Loaded
from ftcore_server.metrics import Metrics
from ftcore_server.problems import Problem
from ftcore_server.settings import Settings
from ftcore_server.tensors import describe_outputs
from ftcore_server.work import Work, answer_into, in_loop

Ids = NDArray[np.int64]

_MEMORY = 0.9  # share of the past in the moving average of the seconds to an answer


class Version:
    """Answers requests until `close`. Its methods belong to the event loop; batches run in threads of their own.

    Args:
        loaded: the bundle, and what it is served as.
    """

    def __init__(self, loaded: Loaded, settings: Settings, metrics: Metrics) -> None:
        self.path = loaded.path
        self.name = name = loaded.name
        self.version = version = loaded.version
        self.pipeline = pipeline = loaded.pipeline
        self.fingerprint = pipeline.manifest.fingerprint
        self.contract = Contract.of(pipeline.decoder, settings.limits)
        self.outputs = describe_outputs(pipeline)
        self._settings = settings
        self._metrics = metrics
        self._queued = metrics.queue.labels(name, version)
        self._confidence = metrics.confidence.labels(name, version)
        self._cut = metrics.cut.labels(name, version)
        sizes, tokens = metrics.batch_size.labels(name, version), metrics.batch_tokens.labels(name, version)

        def observe(features: int, padded: int) -> None:
            sizes.observe(features)
            tokens.observe(padded)

        self._batcher = Batcher(pipeline, settings.batching, settings.limits.tokens, observe)
        reference = pipeline.manifest.reference
        self._unknown = unknown_id(pipeline.encoder.tokenizer) if reference else None
        self.drift = Drift(Reference.from_json(reference, "bundle.json: reference")) if reference else None
        self.inputs_in_flight = 0  # waiting or being answered
        self._seconds = 0.0  # to an answer, a moving average
        self._holders = 0
        self._idle = asyncio.Event()
        self._idle.set()

    def require_room(self, inputs: int = 1) -> None:
        """Refuse where the queue has no room for so many inputs: as soon as that is known, since a server that has
        more to do than it can must spend little on what it does not answer.

        Raises:
            Problem: 429.
        """
        if self.inputs_in_flight and self.inputs_in_flight + inputs > self._settings.batching.queue:
            seconds = str(min(60, max(1, math.ceil(self._seconds))))
            raise Problem(429, "overloaded", "too many inputs are waiting", headers={"retry-after": seconds})

    async def answer(
        self, inputs: Sequence[Input], top_k: int | None, seconds: float, *, counted: bool = True
    ) -> list[Answer]:
        """One answer for each input.

        Args:
            seconds: until a 504.
            counted: whether metrics and drift count the answers: not those to inputs that nobody sent.

        Raises:
            Problem: 413 too many tokens, 429 the queue is full, 504 out of time.
            InputError: an input that cannot be answered.
        """
        if not inputs:
            return []
        work, answers = await self._done(inputs, top_k, seconds)
        if counted:
            self._count(work.prepared, answers)
        return answers

    async def written(self, item: Input, seconds: float) -> tuple[Answer, Ids]:
        """The answer to one input of a bundle that writes texts, with its tokens, int64 [tokens]; counted nowhere.

        Raises:
            Problem, InputError: as `answer` does.
        """
        work, (answer,) = await self._done([item], 1, seconds)
        return answer, work.generated[0][0].ids

    async def log_probabilities(
        self, inputs: Sequence[Input], ids: Ids, seconds: float
    ) -> NDArray[np.float32]:
        """What the model gives each token of one answer after each input, float32 [inputs, tokens].

        Raises:
            Problem, InputError: as `answer` does.
        """
        work, _ = await self._done(inputs, None, seconds, ids)
        return np.stack([work.scores[index] for index in range(len(inputs))])

    async def _done(
        self, inputs: Sequence[Input], top_k: int | None, seconds: float, answer_ids: Ids | None = None
    ) -> tuple[Work, list[Answer]]:
        """A request once it is done, and its answers."""
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        work = Work(inputs, top_k, answer_into(future), answer_ids=answer_ids)
        with self._in_hand(work):
            async with asyncio.timeout(seconds):
                return work, await future

    async def stream(self, text: Input, seconds: float) -> AsyncGenerator[Generated, None]:
        """Pieces of the greedy answer to one text as they are generated, none of them empty, then the answer.

        The worker does not wait for whoever reads: at most one answer is generated and not yet read, and the bundle
        limits its length.

        Args:
            seconds: until a 504, to the whole answer.

        Raises:
            Problem, InputError: as `answer` does.
        """
        loop = asyncio.get_running_loop()
        began = loop.time()
        generated: asyncio.Queue[Generated | Exception] = asyncio.Queue()

        def tell(what: Generated | Exception) -> None:
            in_loop(loop, generated.put_nowait, what)

        work = Work([text], 1, lambda _, result: tell(result), emit=tell)
        tokens = 0
        with self.held(), self._in_hand(work):
            while True:
                async with asyncio.timeout_at(began + seconds):
                    one = await generated.get()
                if isinstance(one, Exception):
                    raise one
                if isinstance(one, list):
                    break
                if not tokens:
                    self._metrics.first_token.labels(self.name, self.version).observe(loop.time() - began)
                tokens += 1
                self._metrics.streamed.labels(self.name, self.version).inc()
                if one:
                    yield one
        self._count(work.prepared, one)
        yield one

    @contextmanager
    def held(self) -> Iterator[None]:
        """From the moment that a request has chosen this version until it is answered: nothing is closed meanwhile."""
        self._holders += 1
        self._idle.clear()
        try:
            yield
        finally:
            self._holders -= 1
            if not self._holders:
                self._idle.set()

    async def drained(self) -> None:
        """Return once no request holds this version."""
        await self._idle.wait()

    def close(self, seconds: float) -> bool:
        """End the threads of the batches and drop the metrics; nothing is to be answered any more.

        Returns:
            whether all threads ended within so many seconds; a graph may never end.
        """
        ended = self._batcher.close(seconds)
        self._metrics.forget(self.name, self.version)
        return ended

    def refresh(self) -> None:
        """Bring the gauges up to date that change with every request."""
        self._queued.set(self.inputs_in_flight)
        for measure, value in (self.drift.psi(self.drift.seen()) if self.drift else {}).items():
            if value is not None:
                self._metrics.drift.labels(self.name, self.version, measure).set(value)

    @contextmanager
    def _in_hand(self, work: Work) -> Iterator[None]:
        """Take a request up: what it is started for happens inside, and afterwards nobody waits for it."""
        self.require_room(len(work.inputs))
        self.inputs_in_flight += len(work.inputs)
        began = time.monotonic()
        try:
            self._batcher.submit(work)
            yield
            self._seconds = _MEMORY * self._seconds + (1 - _MEMORY) * (time.monotonic() - began)
        except TimeoutError:
            raise Problem(504, "deadline", "the answer was not ready in time") from None
        finally:
            work.cancelled = True
            self.inputs_in_flight -= len(work.inputs)

    def _count(self, prepared: Prepared, answers: Sequence[Answer]) -> None:
        for answer in answers:
            if (category := answer.category) is not None:
                self._metrics.predictions.labels(self.name, self.version, category).inc()
            if (confidence := answer.confidence) is not None:
                self._confidence.observe(confidence)
        self._cut.inc(prepared.cut)
        if self.drift:
            self.drift.add(observations(prepared, answers, self._unknown))
