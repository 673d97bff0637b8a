"""How features are shared out to batches, and batches to threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ftcore_runtime.parallel_batches import BATCH_TOKENS, in_parallel, share_out

LENGTHS = st.lists(st.integers(0, 600), min_size=1, max_size=80)


@given(lengths=LENGTHS, batch_size=st.integers(1, 40), parallelism=st.integers(1, 5), written=st.booleans())
def test_every_feature_is_in_one_batch_within_the_limits(
    lengths: list[int], batch_size: int, parallelism: int, written: bool
) -> None:
    sizes = np.array(lengths, np.int64)
    batches = share_out(sizes, batch_size, parallelism, None if written else BATCH_TOKENS)
    order = np.concatenate(batches)
    assert sorted(order.tolist()) == list(range(len(lengths)))
    assert (np.diff(sizes[order]) <= 0).all(), "longest first"
    for batch in batches:
        assert len(batch) <= batch_size
        assert written or len(batch) == 1 or len(batch) * sizes[batch].max() <= BATCH_TOKENS


def test_two_texts_go_to_two_parallelism() -> None:
    assert [batch.tolist() for batch in share_out(np.array([7, 8]), 32, 2)] == [[1], [0]]
    assert [batch.tolist() for batch in share_out(np.array([7, 8]), 32, 1)] == [[1, 0]]


def test_batches_run_at_the_same_time_and_come_back_in_order() -> None:
    meet = threading.Barrier(2, timeout=30)  # broken unless two calls are in it together

    def call(batch: NDArray[np.int64]) -> int:
        meet.wait()
        return int(batch[0])

    assert in_parallel(call, [np.array([index]) for index in range(6)], 2) == list(range(6))


def test_what_a_batch_raises_is_raised() -> None:
    def call(batch: NDArray[np.int64]) -> int:
        raise ValueError(f"batch {batch[0]}")

    for parallelism in (1, 3):
        with pytest.raises(ValueError, match="batch 5"):
            in_parallel(call, [np.array([5]), np.array([6])], parallelism)
