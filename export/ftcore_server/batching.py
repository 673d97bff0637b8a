"""Dynamic batching: features of all waiting requests share batches of like length, within a budget of tokens.

A worker tokenises what has arrived, so that a request goes from the event loop to one other thread and back. Its inputs
become features (an input, or a window of one). A free worker takes the feature that has waited longest and fills its
batch with the features nearest to it in length, of any request, out of those that have waited long. A batch is
closed before more than a quarter of it would be padding: two batches are then less work than one. Texts are written
in such batches, too; streamed ones are emitted token by token, and others join them on the way.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import numpy as np

from ftcore_runtime.answers import Answer, TextAnswer
from ftcore_runtime.cpus import cpu_count
from ftcore_runtime.decoders import Prepared
from ftcore_runtime.errors import BundleError, InputError
from ftcore_runtime.generation.packing import unpack
from ftcore_runtime.pipeline import Pipeline
from ftcore_server.batch_choice import choose
from ftcore_server.problems import Problem
from ftcore_server.settings import Batching
from ftcore_server.streams import RunningStreams
from ftcore_server.work import Feature, Work, by_request, merged

_EVERY = 4  # tokens, after which streams may join others: each time costs as much as a token or two
_AT_ONCE = 16  # requests that one worker tokenises before another gets its share


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
                for work in by_request(batch):
                    work.refuse(error)

    def _take(self) -> list[Feature]:
        """The next batch; empty once closed. What has arrived is tokenised first."""
        while True:
            self._tokenise()
            with self._changed:
                if not self._arrived and (batch := self._ready()) is not None:
                    return batch

    def _tokenise(self) -> None:
        """Make features of what has arrived, with the lock open."""
        with self._changed:
            arrived, self._arrived = self._arrived[:_AT_ONCE], self._arrived[_AT_ONCE:]
            if self._arrived:
                self._changed.notify()
        features = [feature for work in arrived for feature in self._features(work)]
        with self._changed:
            self._waiting += features

    def _ready(self) -> list[Feature] | None:
        """The next batch, empty once closed; None where there was none and some time has gone by."""
        if not self._still_waiting():
            if self._closed:
                return []
            self._changed.wait()
            return None
        wait = self._waiting[0].work.arrived + self._config.delay_seconds - time.monotonic()
        batch = self._next()
        if wait > 0 and len(batch) == len(self._waiting) and not self._closed:
            self._changed.wait(wait)
            return None
        self._remove(batch)
        return batch

    def _still_waiting(self) -> list[Feature]:
        """What has been tokenised, in the order of arrival, without what nobody waits for any more."""
        self._waiting = [feature for feature in self._waiting if not feature.work.cancelled]
        return self._waiting

    def _remove(self, batch: list[Feature]) -> None:
        """Take these off what waits; another worker may have the rest."""
        taken = set(map(id, batch))
        self._waiting = [feature for feature in self._waiting if id(feature) not in taken]
        if self._waiting:
            self._changed.notify()

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
        """The first that waits, with batch-mates: streams if it is one, those of its own request if it is scored."""
        config, first = self._config, self._waiting[0].work
        if not self._pipeline.generates:
            return choose(self._waiting, config.tokens)
        if first.answer_ids is not None:
            own = [feature for feature in self._waiting if feature.work is first]
            return choose(own, config.tokens)
        texts = [feature for feature in self._waiting if feature.work.answer_ids is None]
        alike = [feature for feature in texts if feature.work.streamed == first.streamed]
        return choose(alike, config.tokens * config.texts, config.texts)

    def _answer(self, batch: list[Feature], *, joined: bool = True) -> None:
        """Run a batch; `joined` says whether others may join streams while they are written."""
        if batch[0].work.streamed:
            self._stream(batch, joined)
            return
        try:
            self._run(batch)
        except (BundleError, InputError) as error:
            self._alone(batch, error)
            return
        self._observe(len(batch), max(feature.length for feature in batch) * len(batch))
        self._settle(batch)

    def _alone(self, batch: list[Feature], error: Exception) -> None:
        """Answer each request by itself, where there are several: one must not fail another's."""
        each = by_request(batch)
        for work, features in each.items():
            if len(each) == 1 or work.text:  # of which somebody has read a part
                work.refuse(error)
            else:
                self._answer(features, joined=False)  # it comes to an end, whatever else arrives

    def _settle(self, features: list[Feature]) -> None:
        """Answer the requests that are complete with these features."""
        with self._changed:  # another worker may have had the rest of a request at the same time
            finished = [
                work
                for work in by_request(features)
                if work.complete and not (work.cancelled or work.finished)
            ]
            for work in finished:
                work.finished = True
        for work in finished:
            work.done(work, self._decoded(work))

    def _run(self, batch: list[Feature]) -> None:
        """Run the graphs, and give each request what they make of its features."""
        pipeline, encoded = self._pipeline, merged(batch)
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
        else:
            generated = unpack(pipeline.generator.run(sources, len(batch)))
            for feature, texts in zip(batch, generated, strict=True):
                feature.work.generated[feature.index] = texts

    def _stream(self, batch: list[Feature], joined: bool) -> None:
        """Write streams, and those that join them meanwhile, until none is left."""
        streams, tokens = RunningStreams(self._pipeline), 0
        self._join(streams, batch)
        while len(streams):
            try:
                self._settle(streams.choose())
                streams.step()
            except Exception as error:  # noqa: BLE001 (a worker outlives any stream; the error is its request's)
                self._alone(streams.leave(), error)
            tokens += 1
            if joined and tokens % _EVERY == 0:
                self._join(streams, self._joining(streams))

    def _join(self, streams: RunningStreams, features: list[Feature]) -> None:
        if not features:
            return
        try:
            streams.join(features)
        except Exception as error:  # noqa: BLE001 (the others go on; the error is of those that were to join)
            self._alone(features, error)
        else:
            self._observe(len(features), max(feature.length for feature in features) * len(features))

    def _joining(self, streams: RunningStreams) -> list[Feature]:
        """What waits, where it is streams alone and there is room for all of them.

        Where more wait than there is room for, they are better off in batches of their own: each time that some join
        costs a pass of the encoder, and a step takes longer the more there are.
        """
        if not (len(streams) and streams.joins and (self._arrived or self._waiting)):
            return []
        self._tokenise()
        with self._changed:
            joining, texts = self._still_waiting(), self._config.texts
            alike = all(feature.work.streamed for feature in joining)
            if not alike or not streams.fit(joining, texts, self._config.tokens * texts):
                joining = []
            self._remove(joining)
            return joining

    def _decoded(self, work: Work) -> list[Answer] | Exception:
        pipeline = self._pipeline
        try:
            if work.streamed:
                return [TextAnswer(work.text)]
            if work.answer_ids is not None:
                return []
            outputs = work.outputs(pipeline.decoder, pipeline.encoder)
            return pipeline.decoder.decode(outputs, work.prepared, work.top_k)
        except Exception as error:  # noqa: BLE001 (handed to the request that it belongs to)
            return error
