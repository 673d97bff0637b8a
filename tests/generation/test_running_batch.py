"""Rows that are written together: what ends them, what they may not repeat, and that they are asked no further."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from ftcore_runtime.generation.model import Floats, Ids
from ftcore_runtime.generation.running import JoiningBatch
from ftcore_runtime.generation.settings import GenerationSettings

END, VOCABULARY, POSITIONS = 2, 9, 6


class Counting:
    """Every row likes its source's token best, then the next higher ones; it has `POSITIONS` positions, no more."""

    joins = True

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        self.liked, self.age = inputs["input_ids"][:, 0], np.zeros(len(prompt), np.int64)
        return self._logits()

    def join(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        other = Counting()
        logits = other.start(inputs, prompt)
        self.liked, self.age = np.append(self.liked, other.liked), np.append(self.age, other.age)
        return logits

    def step(self, tokens: Ids) -> Floats:
        assert len(tokens) == len(self.age)
        self.age = self.age + 1
        assert (self.age < POSITIONS).all(), "beyond the last position"
        return self._logits()

    def select(self, rows: Ids) -> None:
        self.liked, self.age = self.liked[rows], self.age[rows]

    def _logits(self) -> Floats:
        away = (np.arange(VOCABULARY) - self.liked[:, None]) % VOCABULARY
        return -away.astype(np.float32)


def written(settings: GenerationSettings, comes: dict[int, list[int]]) -> dict[int, list[int]]:
    """Answers of the rows, by their names; `comes` has the sources that join before so many tokens."""
    batch, found, step = JoiningBatch(Counting(), settings, (END,), scored=False), {}, 0
    while len(batch) or step <= max(comes):
        if sources := comes.get(step):
            ids = np.array(sources)[:, None]
            batch.join({"input_ids": ids, "attention_mask": np.ones_like(ids)}, np.zeros_like(ids))
        chosen = batch.choose()
        found |= {row: batch.answer(row).ids.tolist() for row in chosen.rows[chosen.ended].tolist()}
        if len(batch):
            batch.step()
        step += 1
    return found


def test_a_row_that_has_ended_is_asked_no_further_than_there_are_positions() -> None:
    found = written(GenerationSettings(max_length=POSITIONS), {0: [4], 3: [5, 6, 7, 8]})
    assert found == {0: [4] * 6, 1: [5] * 6, 2: [6] * 6, 3: [7] * 6, 4: [8] * 6}


@pytest.mark.parametrize(
    ("settings", "comes", "expected"),
    [
        ({"min_length": 3}, {0: [END], 2: [END]}, [[3, 3, 3, END], [3, 3, 3, END]]),
        ({"no_repeat_ngram_size": 1}, {0: [8], 1: [1]}, [[8, 1, END], [1, END]]),
        ({"no_repeat_ngram_size": 2}, {0: [8], 1: [1]}, [[8, 8, 0, 0, 1, 8], [1, 1, END]]),
    ],
    ids=["shortest", "no token twice", "no pair twice"],
)
def test_each_row_is_restricted_by_what_it_has_itself(
    settings: dict[str, int], comes: dict[int, list[int]], expected: list[list[int]]
) -> None:
    found = written(GenerationSettings(max_length=POSITIONS, **settings), comes)  # type: ignore[arg-type]
    assert [found[row] for row in range(2)] == expected


def test_a_row_without_a_finite_number_ends_alone() -> None:
    batch = JoiningBatch(Counting(), GenerationSettings(max_length=3), (END,), scored=False)
    ids = np.array([[4], [5]])
    batch.start({"input_ids": ids, "attention_mask": np.ones_like(ids)}, np.zeros_like(ids))
    batch._logits[0, 7] = np.nan
    found = batch.choose()
    assert found.broken.tolist() == found.ended.tolist() == [True, False]
    batch.step()
    found = batch.choose()
    assert (found.rows.tolist(), found.tokens.tolist(), found.broken.tolist()) == ([1], [5], [False])
