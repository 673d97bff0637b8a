"""Ranges of indices one after another, against a loop over them."""

from __future__ import annotations

import numpy as np

from ftcore_runtime.ranges import places_within, ranges


def test_ranges_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    for count in (0, 1, 2, 50):
        starts, lengths = rng.integers(0, 1000, count), rng.integers(0, 6, count)
        looped = [np.arange(start, start + length) for start, length in zip(starts, lengths, strict=True)]
        assert ranges(starts, lengths).tolist() == np.concatenate([[], *looped]).tolist()
        within = [np.arange(length) for length in lengths]
        assert places_within(lengths).tolist() == np.concatenate([[], *within]).tolist()
