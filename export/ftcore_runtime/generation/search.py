"""Answers of many rows at once: by beams, greedily, or drawn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ftcore_runtime.generation.beams import beam_search
from ftcore_runtime.generation.model import Ids, SequenceModel
from ftcore_runtime.generation.running import Generated, RunningBatch
from ftcore_runtime.generation.settings import GenerationSettings, greedily


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
    if settings.num_beams > 1:
        beams = beam_search(model, model.start(inputs, prompt), prompt, settings, eos_ids)
        return [[Generated(ids, score) for ids, score in row] for row in beams]
    batch = RunningBatch(model, settings, eos_ids, scored=scored or settings.scored)
    batch.start(inputs, prompt)
    answers: dict[int, Generated] = {}
    while len(batch):
        found = batch.choose()
        if found.ended.any():
            answers |= {row: batch.answer(row) for row in found.rows[found.ended].tolist()}
        if len(batch):
            batch.step()
    return [[answers[row]] for row in range(len(prompt))]


def stream_greedy(
    model: SequenceModel,
    inputs: Mapping[str, Ids],
    prompt: Ids,
    settings: GenerationSettings,
    eos_ids: tuple[int, ...],
) -> Iterator[int]:
    """The ids of one row's greedy answer as they are found, without the end token."""
    batch = RunningBatch(model, greedily(settings), eos_ids, scored=False)
    batch.start(inputs, prompt)
    while True:
        found = batch.choose()
        token = int(found.tokens[0])
        if token in eos_ids or found.broken[0]:
            return
        yield token
        if not len(batch):
            return
        batch.step()
