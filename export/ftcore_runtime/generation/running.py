"""Texts that are written together, a token each at a time, greedily or by draws; they need not begin together."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.generation.model import Floats, Ids, JoinableModel, SequenceModel
from ftcore_runtime.generation.processing import BEFORE, is_end, process, restrict
from ftcore_runtime.generation.settings import GenerationSettings
from ftcore_runtime.generation.stacking import stack
from ftcore_runtime.softmax import log_softmax

#: Rows are taken out of the batch once so many of them have ended: copying the cache costs, too.
_ENDED = 0.25


@dataclass(frozen=True)
class Generated:
    """One answer: its ids, the end token included unless it was cut, and its score.

    The score is the mean of the tokens' log-probabilities, or their sum, as `GenerationSettings.scored` says; of beams
    the sum divided by length ** length_penalty. It is NaN where nobody asked for it.
    """

    ids: Ids
    score: float


class NextTokens(NamedTuple):
    """What the rows are given that had not ended; all are [rows].

    Args:
        rows: what they are called, int64.
        tokens: int64.
        ended: whether they end with it, bool.
        broken: whether they end since the model gives no finite number for them, bool.
    """

    rows: Ids
    tokens: Ids
    ended: NDArray[np.bool_]
    broken: NDArray[np.bool_]


class RunningBatch:
    """Rows that are being written, called 0, 1, 2, ... as they came: `start`, then `choose` and `step` in turns.

    Args:
        scored: whether the answers need their scores, which cost time.
    """

    def __init__(
        self,
        model: SequenceModel,
        settings: GenerationSettings,
        eos_ids: tuple[int, ...],
        *,
        scored: bool,
    ) -> None:
        self._model, self._settings, self._eos_ids = model, settings, eos_ids
        self._scored = scored
        self._came = 0
        self._forget()

    def _forget(self) -> None:
        """Rows that the model has, some of them ended: all arrays have them in one order."""
        self._rows = np.zeros(0, np.int64)
        self._open = np.zeros(0, bool)
        self._tokens = np.zeros((0, 0), np.int64)  # the prompt's, too; the last ones stand below each other
        self._made = np.zeros(0, np.int64)  # how many of them are the answer's
        self._scores = np.zeros(0)
        self._draws: list[np.random.Generator] = []

    def __len__(self) -> int:
        """Rows that have not ended."""
        return int(np.count_nonzero(self._open))

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> range:
        """Begin with these rows, whatever was there is forgotten; see `SequenceModel.start`.

        Returns:
            what they are called.
        """
        self._forget()
        self._logits = self._model.start(inputs, prompt)
        return self._admit(inputs, prompt)

    def _admit(self, inputs: Mapping[str, Ids], prompt: Ids) -> range:
        count = len(prompt)
        names = range(self._came, self._came + count)
        self._came += count
        self._rows = np.append(self._rows, np.array(names, np.int64))
        self._open = np.append(self._open, np.ones(count, bool))
        self._tokens = stack(self._tokens, prompt, axis=1, side="left", fill=BEFORE)
        self._made = np.append(self._made, np.zeros(count, np.int64))
        self._scores = np.append(self._scores, np.zeros(count))
        self._draws += _generators(inputs, self._settings)
        return names

    def choose(self) -> NextTokens:
        """The next token of each row that has not ended."""
        allowed = process(self._logits, self._tokens, self._made, self._settings, self._eos_ids)
        if self._settings.sampling is None:
            choice = allowed.argmax(axis=1)  # the NaN, where there is one
        else:
            allowed = log_softmax(restrict(allowed, self._settings.sampling))
            choice = np.array([_draw(*pair) for pair in zip(allowed, self._draws, strict=True)], np.int64)
        if self._scored:
            self._scores += _chosen(allowed, choice, self._settings)
        self._made += 1
        self._tokens = np.concatenate([self._tokens, choice[:, None]], axis=1)
        broken = np.isnan(allowed[np.arange(len(choice)), choice])
        ended = is_end(choice, self._eos_ids) | broken | (self._made >= self._settings.max_length)
        open_, self._open = self._open, self._open & ~ended
        return NextTokens(self._rows[open_], choice[open_], ended[open_], broken[open_])

    def answer(self, row: int) -> Generated:
        """What has been written of a row that `choose` gave last."""
        at = int(np.searchsorted(self._rows, row))
        made = int(self._made[at])
        score = float(self._scores[at]) if self._scored else float("nan")
        return Generated(self._tokens[at, -made:].copy(), score / made if self._settings.scored else score)

    def leave(self, row: int) -> None:
        """Write no more of a row."""
        self._open[self._rows == row] = False

    def step(self) -> None:
        """One token further; there must be rows. Those that have ended are left behind, once they are many."""
        many = len(self) <= (1 - _ENDED) * len(self._rows)
        beyond = (
            self._made >= self._settings.max_length
        ).any()  # they have ended; there may be no more positions
        if many or beyond:
            self._drop()
        self._logits = self._model.step(self._tokens[:, -1])

    def _drop(self) -> Ids:
        """Keep those rows alone that have not ended; returns where they stood."""
        kept = np.flatnonzero(self._open)
        self._model.select(kept)
        self._rows, self._open = self._rows[kept], self._open[kept]
        self._made, self._scores = self._made[kept], self._scores[kept]
        self._draws = [self._draws[at] for at in kept] if self._draws else []
        tokens = self._tokens[kept]
        self._tokens = tokens[:, int((tokens != BEFORE).any(axis=0).argmax()) :]
        return kept


class JoiningBatch(RunningBatch):
    """One whose rows may come while others are being written, where `joins` of the model says so."""

    def __init__(
        self, model: JoinableModel, settings: GenerationSettings, eos_ids: tuple[int, ...], *, scored: bool
    ) -> None:
        super().__init__(model, settings, eos_ids, scored=scored)
        self._joinable = model

    def join(self, inputs: Mapping[str, Ids], prompt: Ids) -> range:
        """Rows more, between `step` and `choose`; returns what they are called."""
        if not len(self):
            return self.start(inputs, prompt)
        self._logits = self._logits[self._drop()]
        self._logits = np.concatenate([self._logits, self._joinable.join(inputs, prompt)])
        return self._admit(inputs, prompt)


def _chosen(allowed: Floats, choice: Ids, settings: GenerationSettings) -> Floats:
    """Log-probability of the token that each row chose: of a greedy search the likeliest, of a draw any."""
    if settings.sampling is not None:
        return allowed[np.arange(len(choice)), choice]
    likeliest: Floats = -np.log(np.exp(allowed - allowed.max(axis=1, keepdims=True)).sum(axis=1))
    return likeliest


def _generators(inputs: Mapping[str, Ids], settings: GenerationSettings) -> list[np.random.Generator]:
    """One for each row, seeded by what the row reads."""
    if settings.sampling is None:
        return []
    seed, real = settings.sampling.seed, inputs["attention_mask"].astype(bool)
    read = [row[kept].tobytes() for row, kept in zip(inputs["input_ids"], real, strict=True)]
    return [np.random.default_rng([seed, zlib.crc32(ids)]) for ids in read]


def _draw(chance: Floats, rng: np.random.Generator) -> int:
    """A token by its log-probability: the first whose cumulated probability exceeds a draw."""
    total = np.cumsum(np.exp(chance.astype(np.float64)))
    return int(np.searchsorted(total, rng.random() * total[-1], side="right"))
