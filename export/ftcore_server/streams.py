"""Streamed texts of several requests that are written together, a token each at a time; they come and go meanwhile."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ftcore_runtime.generation.generator import no_finite_number
from ftcore_runtime.generation.texts import GrowingText
from ftcore_runtime.pipeline import Pipeline
from ftcore_server.work import Feature, merged


@dataclass(frozen=True)
class _Stream:
    """A text that is being written, and what was emitted of it."""

    feature: Feature
    growing: GrowingText

    def emit(self, piece: str) -> None:
        """An empty piece is a token, too."""
        work = self.feature.work
        assert work.emit is not None
        work.emit(piece)
        work.text += piece


class RunningStreams:
    """Streams in one running batch: `join`, then `choose` and `step` in turns, and `join` again."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._generator = pipeline.generator
        self._encoder = pipeline.encoder
        self._batch = self._generator.running()
        self._streams: dict[int, _Stream] = {}
        #: Whether others may join while some are being written.
        self.joins = self._generator.joins

    def __len__(self) -> int:
        """Texts that have not ended."""
        return len(self._streams)

    def fit(self, features: Sequence[Feature], texts: int, tokens: int) -> bool:
        """Whether with these there are no more texts than so many, and no more tokens of sources, padding included."""
        lengths = [feature.length for feature in (*features, *self._features())]
        return len(lengths) <= texts and max(lengths) * len(lengths) <= tokens

    def join(self, features: Sequence[Feature]) -> None:
        """Begin these texts, between `step` and `choose`.

        Raises:
            BundleError: the graphs fail on them; the others can go on.
        """
        inputs = self._encoder.collate(merged(features))
        rows = self._batch.join(inputs, self._generator.prompt(inputs))
        tokenizer = self._encoder.target.tokenizer
        for row, feature in zip(rows, features, strict=True):
            self._streams[row] = _Stream(feature, GrowingText(tokenizer))

    def choose(self) -> list[Feature]:
        """The next token of each text, which is emitted; what nobody waits for any more is left off.

        Returns:
            those that are written now, as their requests know.
        """
        written = []
        for row, token, ended, broken in zip(
            *(column.tolist() for column in self._batch.choose()), strict=True
        ):
            stream = self._streams[row]
            feature, work = stream.feature, stream.feature.work
            if work.cancelled or ended:
                del self._streams[row]
            if work.cancelled:
                self._batch.leave(row)
            elif broken:
                work.refuse(no_finite_number(feature.index))
            else:
                if token not in self._generator.frame.eos_ids:
                    stream.emit(stream.growing.add(token))
                if ended:
                    if rest := stream.growing.rest():
                        stream.emit(rest)
                    work.generated[feature.index] = [self._batch.answer(row)]
                    written.append(feature)
        return written

    def step(self) -> None:
        """Let the model say what comes next, where texts are left."""
        if len(self._batch):
            self._batch.step()

    def leave(self) -> list[Feature]:
        """Write no more; returns the features whose texts have not ended."""
        features = self._features()
        self._streams.clear()
        return features

    def _features(self) -> list[Feature]:
        return [stream.feature for stream in self._streams.values()]
