"""The best continuations of beams, out of many scores: those that sorting all of them gives, in that order."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore_runtime.generation.largest import BLOCK, columns_of_largest, largest

COUNT = 8


def drawn(rows: int, width: int) -> np.ndarray:
    return np.random.default_rng(width).normal(size=(rows, width)).astype(np.float32)


def expect_sorted(scores: np.ndarray) -> None:
    best, indices = largest(scores, COUNT)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :COUNT]
    assert indices.tolist() == order.tolist()
    np.testing.assert_array_equal(best, np.take_along_axis(scores, order, axis=1))
    assert best.dtype == np.float32


@pytest.mark.parametrize("width", [COUNT, 100, 64 * BLOCK, 64 * BLOCK + 1, 8004])
@pytest.mark.parametrize("rows", [1, 5])
def test_as_sorting_gives_them(rows: int, width: int) -> None:
    scores = drawn(rows, width)
    scores[:, -1] = 9  # within a block that is not full
    expect_sorted(scores)


def test_the_largest_of_one_block_are_all_found() -> None:
    scores = drawn(2, 8000)
    scores[1, 640 : 640 + COUNT] = np.arange(20, 20 + COUNT)
    assert columns_of_largest(scores, COUNT) is not None
    expect_sorted(scores)


@pytest.mark.parametrize(
    "spoil",
    [np.round, np.zeros_like, lambda scores: np.where(scores < 4, -np.inf, scores).astype(np.float32)],
)
def test_equal_ones_and_those_that_are_ruled_out(spoil: np.ufunc) -> None:
    scores = spoil(drawn(3, 8000))
    assert columns_of_largest(scores, COUNT) is None
    best, indices = largest(scores, COUNT)
    assert best.tolist() == (-np.sort(-scores, axis=1)[:, :COUNT]).tolist()
    assert best.tolist() == np.take_along_axis(scores, indices, axis=1).tolist()
    assert all(len(set(row)) == COUNT for row in indices.tolist())


def test_a_model_without_numbers_gives_some() -> None:
    scores = drawn(1, 8000)
    scores[0, 3] = np.nan
    _, indices = largest(scores, COUNT)
    assert len(set(indices[0].tolist())) == COUNT
