"""Labels that are likely wrong: planted flips are ranked first, and nothing is said of a few rows."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore.audit.suspects import find_suspects

ROWS, LABELS, FLIPS = 600, 4, 30


@pytest.fixture(scope="module")
def planted() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Clouds of points around a middle for each label, labels of which 5 % are wrong, and which those are."""
    rng = np.random.default_rng(0)
    right = np.arange(ROWS) % LABELS
    inputs = (rng.normal(size=(LABELS, 16))[right] * 2 + rng.normal(size=(ROWS, 16))).astype(np.float32)
    flipped = rng.permutation(ROWS)[:FLIPS]
    given = right.copy()
    given[flipped] = (given[flipped] + 1) % LABELS
    return inputs, given, flipped


def test_flipped_labels_come_first(planted: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, given, flipped = planted
    found = find_suspects(inputs, given, np.ones(ROWS, np.float32), np.arange(ROWS), LABELS, 0)
    assert found is not None
    assert np.isin(found.order[:FLIPS], flipped).mean() >= 0.9
    assert len(found.rows) == pytest.approx(FLIPS, abs=6)
    assert np.isin(found.rows, flipped).mean() >= 0.8
    np.testing.assert_allclose(found.probabilities.sum(1), 1.0)


def test_a_copy_of_a_row_does_not_speak_for_it(planted: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, given, flipped = planted
    twice, labels = np.repeat(inputs, 2, axis=0), np.repeat(given, 2)
    groups, weights = np.repeat(np.arange(ROWS), 2), np.ones(2 * ROWS, np.float32)
    found = find_suspects(twice, labels, weights, groups, LABELS, 0)
    assert found is not None
    assert np.isin(found.order[: 2 * FLIPS] // 2, flipped).mean() >= 0.9


def test_a_label_without_rows_is_no_obstacle(planted: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    inputs, given, flipped = planted
    found = find_suspects(inputs, given, np.ones(ROWS, np.float32), np.arange(ROWS), LABELS + 1, 0)
    assert found is not None
    assert np.isin(found.order[:FLIPS], flipped).mean() >= 0.9


def test_few_rows_say_nothing() -> None:
    assert (
        find_suspects(np.zeros((20, 4), np.float32), np.arange(20) % 2, np.ones(20), np.arange(20), 2, 0)
        is None
    )
