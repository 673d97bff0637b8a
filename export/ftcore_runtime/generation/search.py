"""Greedy search and sampling, many rows at once; a row that has ended leaves the batch."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from ftcore_runtime.generation.beams import beam_search
from ftcore_runtime.generation.model import Floats, Ids, SequenceModel
from ftcore_runtime.generation.processing import is_end, process, restrict
from ftcore_runtime.generation.settings import GenerationSettings
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


def generate(
    model: SequenceModel,
    inputs: Mapping[str, Ids],
    prompt: Ids,
    settings: GenerationSettings,
    eos_ids: tuple[int, ...],
    *,
    scored: bool = False,
) -> list[list[Generated]]:
    """Answers of each row, best first: one, or `num_beams` of them.

    Args:
        inputs, prompt: see `SequenceModel.start`.
        scored: whether the answers of a greedy search need their scores whatever the settings say; they cost time, and
            beams have them anyway.
    """
    logits = model.start(inputs, prompt)
    if settings.num_beams > 1:
        found = beam_search(model, logits, prompt, settings, eos_ids)
        return [[Generated(ids, score) for ids, score in row] for row in found]
    draws = _generators(inputs, settings)
    return [[one] for one in _one_by_one(model, logits, prompt, settings, eos_ids, draws, scored)]


def stream_greedy(
    model: SequenceModel,
    inputs: Mapping[str, Ids],
    prompt: Ids,
    settings: GenerationSettings,
    eos_ids: tuple[int, ...],
) -> Iterator[int]:
    """The ids of one row's greedy answer as they are found, without the end token."""
    tokens = prompt
    logits = model.start(inputs, prompt)
    for made in range(settings.max_length):
        choice = int(process(logits, tokens, made, settings, eos_ids)[0].argmax())
        if choice in eos_ids:
            return
        yield choice
        if made + 1 < settings.max_length:
            tokens = np.append(tokens, [[choice]], axis=1)
            logits = model.step(tokens[:, -1])


def _one_by_one(
    model: SequenceModel,
    logits: Floats,
    prompt: Ids,
    settings: GenerationSettings,
    eos_ids: tuple[int, ...],
    draws: list[np.random.Generator],
    scored: bool,
) -> list[Generated]:
    scored |= settings.scored
    rows, given = prompt.shape
    tokens = np.concatenate([prompt, np.zeros((rows, settings.max_length), np.int64)], axis=1)
    lengths = np.full(rows, settings.max_length)
    scores = np.full(rows, 0.0 if scored else np.nan)
    held = np.arange(rows)  # the rows that the model still has
    open_ = np.ones(rows, bool)
    for made in range(settings.max_length):
        allowed = process(logits, tokens[held, : given + made], made, settings, eos_ids)
        if settings.sampling is None:
            choice = allowed.argmax(axis=1)
        else:
            allowed = log_softmax(restrict(allowed, settings.sampling))
            choice = np.array([_draw(allowed[i], draws[row]) for i, row in enumerate(held)], np.int64)
        tokens[held, given + made] = choice
        if scored:
            scores[held[open_]] += _chosen(allowed, choice, settings)[open_]
        ended = is_end(choice, eos_ids) & open_
        lengths[held[ended]] = made + 1
        open_ &= ~ended
        going = np.count_nonzero(open_)
        if not going or made + 1 == settings.max_length:
            break
        if going <= (1 - _ENDED) * len(held):
            model.select(np.flatnonzero(open_))
            held, choice = held[open_], choice[open_]
            open_ = np.ones(len(held), bool)
        logits = model.step(choice)
    if settings.scored:
        scores /= lengths
    return [
        Generated(tokens[row, given : given + length], float(score))
        for row, (length, score) in enumerate(zip(lengths.tolist(), scores.tolist(), strict=True))
    ]


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
