from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ftcore.data.splitting import (
    Memberships,
    allocate,
    fold_of,
    hold_out,
    rows_requested,
    sample,
    with_every_label,
)
from ftcore.errors import DataError


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 30), st.integers(0, 4)), min_size=3, max_size=80),
    test=st.integers(1, 20),
    validation=st.integers(1, 20),
    seed=st.integers(0, 2**40),
    stratify=st.booleans(),
)
def test_splits_partition_the_rows_and_never_part_a_group(rows, test, validation, seed, stratify):
    groups = np.unique([group for group, _ in rows], return_inverse=True)[1]
    strata = np.array([kind for _, kind in rows]) if stratify else None
    sizes = {"test": test, "validation": validation}
    if test + validation >= len(rows) or len(set(groups)) < 3:
        with pytest.raises(DataError, match=r"data\.split: "):
            hold_out(groups, strata, sizes, seed)
        return
    made = hold_out(groups, strata, sizes, seed)
    parts = [made.train, made.held_out["test"], made.held_out["validation"]]
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(rows)))
    assert all(len(part) for part in parts)
    assert all((np.diff(part) > 0).all() for part in parts)
    keys = [set(groups[part]) for part in parts]
    assert not keys[0] & keys[1]
    assert not (keys[0] | keys[1]) & keys[2]
    if len(set(groups)) == len(rows):
        assert (len(parts[1]), len(parts[2])) == (test, validation)
    again = hold_out(groups, strata, sizes, seed)
    assert np.array_equal(again.train, made.train)


def test_label_shares_are_equal_and_counts_exact():
    strata = np.array([0] * 700 + [1] * 200 + [2] * 100)
    made = hold_out(np.arange(1000), strata, {"test": 100, "validation": 50}, 0)
    assert np.bincount(strata[made.held_out["test"]]).tolist() == [70, 20, 10]
    assert np.bincount(strata[made.held_out["validation"]]).tolist() == [35, 10, 5]
    assert np.bincount(strata[made.train]).tolist() == [595, 170, 85]


def test_the_seed_says_which_rows():
    first, second, third = (
        hold_out(np.arange(500), None, {"test": 50}, seed).held_out["test"] for seed in (1, 1, 2)
    )
    assert np.array_equal(first, second)
    assert not np.array_equal(first, third)


def test_the_test_rows_do_not_change_with_the_validation_rows():
    alone = hold_out(np.arange(500), None, {"test": 50}, 0).held_out["test"]
    both = hold_out(np.arange(500), None, {"test": 50, "validation": 50}, 0).held_out["test"]
    assert np.array_equal(alone, both)


def test_training_keeps_a_row_of_classes_of_one_or_two_rows():
    strata = np.array([0] * 50 + [1] + [2, 2])
    for seed in range(20):
        made = hold_out(np.arange(53), strata, {"test": 20, "validation": 20}, seed)
        assert set(strata[made.train]) == {0, 1, 2}
        assert len(made.held_out["test"]) == len(made.held_out["validation"]) == 20


def test_every_row_a_class_of_its_own_is_split_without_strata():
    made = hold_out(np.arange(10), np.arange(10), {"test": 3}, 0)
    assert len(made.held_out["test"]) == 3


def test_too_few_rows_and_too_few_groups():
    with pytest.raises(DataError, match="10 rows are too few to hold out 5 for test and 5 for validation"):
        hold_out(np.arange(10), None, {"test": 5, "validation": 5}, 0)
    with pytest.raises(DataError, match="2 different inputs only, and rows with an equal one"):
        hold_out(np.array([0] * 9 + [1]), None, {"test": 1, "validation": 1}, 0)


def test_as_many_splits_as_groups():
    for seed in range(10):
        made = hold_out(np.array([0] * 8 + [1, 2]), None, {"test": 2, "validation": 2}, seed)
        assert all(len(part) for part in (made.train, *made.held_out.values()))


def test_a_big_group_is_taken_whole_or_not_at_all():
    groups = np.array([0] * 5 + [1] * 5 + [2] * 5 + [3] * 5)
    made = hold_out(groups, None, {"test": 2}, 0)
    assert len(made.held_out["test"]) == 5
    assert len(set(groups[made.held_out["test"]])) == 1


def test_rows_requested():
    assert rows_requested(0.1, 25, "test") == 2
    assert rows_requested(0.1, 3, "test") == 1
    assert rows_requested(7, 3, "test") == 7
    with pytest.raises(DataError, match=r"data\.split\.test"):
        rows_requested(0.0, 10, "test")


def test_allocate_by_largest_remainder_within_the_room():
    assert allocate(10, np.array([1, 1, 1]), np.array([10, 10, 10])).tolist() == [4, 3, 3]
    assert allocate(10, np.array([8, 1, 1]), np.array([4, 9, 1])).tolist() == [4, 5, 1]
    assert allocate(5, np.array([1, 1]), np.array([1, 1])).tolist() == [1, 1]


@settings(deadline=None)
@given(strata=st.lists(st.integers(-1, 5), min_size=1, max_size=60), size=st.integers(1, 70))
def test_a_sample_keeps_order_number_and_shares(strata, size):
    classes = np.array(strata)
    drawn = sample(len(classes), classes, size, 0, 1)
    assert len(drawn) == min(size, len(classes))
    assert (np.diff(drawn) > 0).all()
    for kind in set(strata):
        share = min(size, len(classes)) * strata.count(kind) / len(classes)
        assert abs((classes[drawn] == kind).sum() - share) < 1


def test_samples_of_two_streams_differ():
    first, second = (sample(1000, None, 100, 0, stream) for stream in (1, 2))
    assert not np.array_equal(first, second)


@settings(max_examples=200, deadline=None)
@given(
    rows=st.lists(st.sets(st.integers(0, 12), max_size=4), min_size=4, max_size=60),
    test=st.integers(1, 20),
    validation=st.integers(1, 20),
    seed=st.integers(0, 2**40),
)
def test_training_keeps_a_row_of_every_label_whatever_the_seed(rows, test, validation, seed):
    pairs = [(row, label) for row, labels in enumerate(rows) for label in sorted(labels)]
    members = Memberships(*np.array(pairs, np.int64).reshape(-1, 2).T)
    sizes = {"test": test, "validation": validation}
    try:
        made = hold_out(np.arange(len(rows)), None, sizes, seed, members)
    except DataError:  # too few rows to hold any out
        return
    kept = set().union(*(rows[row] for row in made.train))
    assert kept == set().union(*rows)
    for name, asked in sizes.items():
        assert 1 <= len(made.held_out[name]) <= asked


def test_the_splits_are_smaller_where_training_needs_the_rows():
    labels = np.array([0] * 100 + list(range(1, 401)))
    members = Memberships(np.arange(500), labels)
    for seed in range(5):
        made = hold_out(np.arange(500), labels, {"test": 50, "validation": 50}, seed, members)
        assert len(made.train) == 401
        assert sum(map(len, made.held_out.values())) == 99
    with pytest.raises(DataError, match=r"training needs a row of every label[^\n]*\n.*`data\.labels`"):
        hold_out(
            np.arange(10), None, {"test": 1, "validation": 1}, 0, Memberships(np.arange(10), np.arange(10))
        )


def test_the_rows_left_are_shared_out_and_no_split_gets_none_of_them():
    labels = np.array([0] * 5 + list(range(1, 196)))  # 196 labels, so 4 of 200 rows can be held out
    members = Memberships(np.arange(200), labels)
    made = hold_out(np.arange(200), None, {"test": 100, "validation": 1}, 0, members)
    assert made.requested == {"test": 3, "validation": 1}
    assert {name: len(rows) for name, rows in made.held_out.items()} == made.requested


def test_what_training_keeps_is_counted_in_rows_and_in_groups():
    groups, labels = np.arange(12) // 2, np.array([0, 1, 2, 3, 0, 0])[np.arange(12) // 2]
    members = Memberships(np.arange(12), labels)  # training keeps 4 of 6 groups: 8 of 12 rows
    made = hold_out(groups, None, {"test": 3, "validation": 3}, 0, members)
    assert made.requested == {"test": 2, "validation": 2}
    assert {name: len(rows) for name, rows in made.held_out.items()} == made.requested
    with pytest.raises(DataError, match="training needs a row of every label"):
        hold_out(groups, None, {"a": 1, "b": 1, "c": 1}, 0, members)


def test_a_sample_of_training_rows_keeps_every_label():
    labels = np.array([0] * 90 + list(range(1, 11)))
    rows = np.arange(100)
    members = Memberships(rows, labels)
    for seed in range(10):
        drawn = with_every_label(sample(100, labels, 20, seed, 1), rows, members, seed)
        assert len(drawn) == 20
        assert set(labels[drawn]) == set(range(11))
        assert (np.diff(drawn) > 0).all()


def test_a_sample_of_some_rows_keeps_the_labels_of_these_alone():
    members = Memberships(np.array([0, 2, 5, 9, 11]), np.array([4, 0, 1, 1, 3]))
    rows = np.array([2, 5, 9, 10])
    for drawn in ([1, 2], [2, 3], [1, 3]):
        kept = with_every_label(np.array(drawn), rows, members, seed=0)
        assert len(kept) == 2
        assert 0 in kept, "the first of them alone has the label 0"
        assert {*kept} & {1, 2}
    assert with_every_label(np.array([0, 2]), rows, members, seed=0).tolist() == [0, 2]


def test_as_many_labels_as_rows_take_no_time():
    import time

    rows = np.arange(100_000)
    start = time.process_time()
    hold_out(rows, None, {"test": 100}, 0, Memberships(rows, rows // 4))
    assert time.process_time() - start < 10


def test_a_seed_draws_the_same_rows_in_every_version() -> None:
    strata = np.arange(20) % 2
    made = hold_out(np.arange(20), strata, {"test": 4, "validation": 4}, 42)
    assert made.held_out["test"].tolist() == [7, 9, 10, 12]
    assert made.held_out["validation"].tolist() == [0, 3, 6, 19]
    assert fold_of(np.arange(12), strata[:12], 3, 42).tolist() == [2, 2, 0, 1, 1, 0, 2, 1, 0, 0, 1, 2]
