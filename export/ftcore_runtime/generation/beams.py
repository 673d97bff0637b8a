"""Beam search, step for step as transformers (5.x, `GenerationMixin._beam_search`) defines it.

The same candidates, scores in float32, length penalty and rule of when no running beam can still win; rows that
are done leave the batch, which changes nothing for the others.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.generation.largest import largest
from ftcore_runtime.generation.model import Floats, Ids, SequenceModel
from ftcore_runtime.generation.processing import is_end, process
from ftcore_runtime.generation.settings import GenerationSettings
from ftcore_runtime.softmax import log_softmax

_NEVER = np.float32(-1e9)  # finite, as in transformers: sums of it stay comparable


def beam_search(
    model: SequenceModel, logits: Floats, prompt: Ids, settings: GenerationSettings, eos_ids: tuple[int, ...]
) -> list[list[tuple[Ids, float]]]:
    """Ids and score of the `num_beams` best answers of each row, best first.

    Args:
        logits: what `model.start` gave for these rows, float32 [rows, vocabulary].
    """
    search = _Beams(model, prompt, settings, eos_ids)
    return search.run(logits)


class _Beams:
    """State of all rows that are not done; arrays are [rows, beams, ...]."""

    def __init__(
        self, model: SequenceModel, prompt: Ids, settings: GenerationSettings, eos_ids: tuple[int, ...]
    ) -> None:
        self.model, self.settings, self.eos_ids = model, settings, eos_ids
        self.beams = settings.num_beams
        self.given = prompt.shape[1]
        rows, total = len(prompt), self.given + settings.max_length
        self.running = np.zeros((rows, self.beams, total), np.int64)
        self.running[:, :, : self.given] = prompt[:, None]
        self.finished = self.running.copy()
        self.lengths = np.zeros((rows, self.beams), np.int64)  # of the finished ones
        self.running_scores = np.full((rows, self.beams), _NEVER)
        self.running_scores[:, 0] = 0  # only the first of the equal beams counts at first
        self.scores = np.full((rows, self.beams), _NEVER)
        self.is_finished = np.zeros((rows, self.beams), bool)
        self.row = np.arange(rows)
        self.answers: list[list[tuple[Ids, float]]] = [[] for _ in range(rows)]

    def run(self, logits: Floats) -> list[list[tuple[Ids, float]]]:
        if len(self.row):
            self.model.select(np.repeat(np.arange(len(self.row)), self.beams))
            logits = np.repeat(logits, self.beams, axis=0)
        for made in range(self.settings.max_length):
            if not len(self.row):
                break
            come_from = self._advance(logits, made)
            done = self._done(made + 1)
            self._retire(done)
            if done.all():
                break
            self.model.select(come_from[~done].ravel())
            logits = self.model.step(self.running[:, :, self.given + made].ravel())
        return self.answers

    def _advance(self, logits: Floats, made: int) -> Ids:
        """One token more for every beam; returns which of the model's rows each running beam goes on from."""
        rows, beams, at = len(self.row), self.beams, self.given + made
        flat = self.running[:, :, :at].reshape(rows * beams, at)
        scores = process(log_softmax(logits), flat, made, self.settings, self.eos_ids)
        scores = scores.reshape(rows, beams, -1) + self.running_scores[:, :, None]
        vocabulary = scores.shape[2]
        kept = max(2, 1 + len(self.eos_ids)) * beams
        best, indices = largest(scores.reshape(rows, -1), kept)
        parents, tokens = np.divmod(indices, vocabulary)
        each = np.arange(rows)[:, None]
        grown = self.running[each, parents]
        grown[:, :, at] = tokens
        ends = is_end(tokens, self.eos_ids)
        if made + 1 == self.settings.max_length:
            ends[:] = True
        self._finish(grown, best, ends, made + 1)
        going = np.where(ends, best + _NEVER, best)
        self.running_scores, chosen = largest(going, beams)
        self.running = grown[each, chosen]
        return parents[each, chosen] + each * beams

    def _finish(self, grown: Ids, scores: Floats, ends: NDArray[np.bool_], length: int) -> None:
        """Keep the best `num_beams` of the finished answers and those that end now."""
        beams = self.beams
        ends = ends & (np.arange(ends.shape[1]) < beams)
        if not ends.any():
            return  # what has not ended comes after all that is kept, and that is in order
        scores = scores / np.float32(length**self.settings.length_penalty)
        if self.settings.early_stopping:
            scores = scores + np.where(self.is_finished.all(axis=1), _NEVER, np.float32(0))[:, None]
        scores = np.where(ends, scores, scores + _NEVER)
        merged = np.concatenate([self.scores, scores], axis=1)
        self.scores, chosen = largest(merged, beams)
        each = np.arange(len(chosen))[:, None]
        self.finished = np.concatenate([self.finished, grown], axis=1)[each, chosen]
        self.lengths = np.concatenate([self.lengths, np.full(ends.shape, length)], axis=1)[each, chosen]
        self.is_finished = np.concatenate([self.is_finished, ends], axis=1)[each, chosen]

    def _done(self, length: int) -> NDArray[np.bool_]:
        """Which rows cannot get better: bool [rows]."""
        if length == self.settings.max_length:
            return np.ones(len(self.row), bool)
        possible = self.running_scores[:, :1] / np.float32(length**self.settings.length_penalty)
        if not self.is_finished.any():
            return np.asarray(~(possible[:, 0] > _NEVER))
        worst = np.where(self.is_finished, self.scores.min(axis=1, keepdims=True), _NEVER)
        done = np.asarray(~(possible > worst).any(axis=1))
        if self.settings.early_stopping:
            done |= self.is_finished.all(axis=1)
        return done

    def _retire(self, done: NDArray[np.bool_]) -> None:
        """Write down the answers of the rows that are done, and forget these rows."""
        if not done.any():
            return
        for index in np.flatnonzero(done):
            self.answers[self.row[index]] = [
                (
                    self.finished[index, beam, self.given : self.given + self.lengths[index, beam]],
                    float(score),
                )
                for beam, score in enumerate(self.scores[index])
            ]
        for name in ("running", "finished", "lengths", "running_scores", "scores", "is_finished", "row"):
            setattr(self, name, getattr(self, name)[~done])
