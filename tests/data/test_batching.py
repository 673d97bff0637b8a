"""The order of the training rows, and batches of a token budget."""

from __future__ import annotations

import numpy as np
import pytest

from ftcore.data.batching import BatchPlan

LENGTHS = np.random.default_rng(0).integers(3, 120, 1003)


def plan_of(**fields: object) -> BatchPlan:
    return BatchPlan(**{"lengths": LENGTHS, "batch_size": 32, "accumulation": 2, "seed": 1, **fields})  # type: ignore[arg-type]


def batches_of(plan: BatchPlan, epoch: int = 0) -> list[np.ndarray]:
    return [batch for step in plan.epoch(epoch) for batch in step]


@pytest.mark.parametrize("budget", [None, 512, 2000])
def test_every_row_comes_once_an_epoch_in_another_order(budget: int | None) -> None:
    plan = plan_of(token_budget=budget)
    orders = [np.concatenate(batches_of(plan, epoch)) for epoch in range(3)]
    for order in orders:
        assert np.array_equal(np.sort(order), np.arange(1003))
    assert not np.array_equal(orders[0], orders[1])
    assert np.array_equal(orders[0], np.concatenate(batches_of(plan_of(token_budget=budget), 0)))


@pytest.mark.parametrize("budget", [512, 2000])
def test_no_batch_is_over_the_budget_and_most_are_near_it(budget: int) -> None:
    padded = [len(batch) * LENGTHS[batch].max() for batch in batches_of(plan_of(token_budget=budget))]
    assert max(padded) <= budget
    assert np.median(padded) > 0.7 * budget


def test_a_row_longer_than_the_budget_is_a_batch_of_its_own() -> None:
    plan = BatchPlan(
        lengths=np.array([10, 500, 10, 10]), batch_size=1, accumulation=1, seed=0, token_budget=40
    )
    assert sorted(map(len, batches_of(plan))) == [1, 3]


def test_a_budget_wastes_less_than_as_many_rows_each() -> None:
    def waste(plan: BatchPlan) -> float:
        batches = batches_of(plan)
        return sum(len(b) * LENGTHS[b].max() for b in batches) / LENGTHS.sum()

    assert waste(plan_of(token_budget=2000)) < 1.1


@pytest.mark.parametrize("budget", [None, 512])
@pytest.mark.parametrize("epochs", [0.5, 1.0, 2.25, 3.0])
def test_steps_are_counted_as_they_come(budget: int | None, epochs: float) -> None:
    plan = plan_of(token_budget=budget)
    whole = [len(plan.epoch(epoch)) for epoch in range(4)]
    passed = sum(whole[: int(epochs)]) + (epochs % 1) * whole[int(epochs)]
    assert plan.steps(epochs) == pytest.approx(passed, abs=1)
    if epochs % 1 == 0:
        assert plan.steps(epochs) == passed
    assert plan.steps_per_epoch == whole[0]


@pytest.mark.parametrize("world", [1, 2, 3])
@pytest.mark.parametrize("budget", [None, 512])
def test_steps_are_counted_over_all_processes(budget: int | None, world: int) -> None:
    plan = plan_of(token_budget=budget, world=world)
    assert plan.steps_per_epoch == plan.steps(1.0) == len(plan.epoch(0))
    ranks = [plan_of(token_budget=budget, world=world, rank=rank).epoch(0) for rank in range(world)]
    for step in zip(*ranks, strict=True):
        assert len({len(micro_batches) for micro_batches in step}) == 1, "each waits for the others' part"


@pytest.mark.parametrize("budget", [None, 512])
def test_the_smallest_training_has_one_step(budget: int | None) -> None:
    assert plan_of(token_budget=budget).steps(0.001) == 1


def test_rows_are_sorted_within_a_window_alone() -> None:
    """A batch has rows of like length out of 50 batches' worth, so that passes differ in what stands together."""
    lengths = np.arange(1, 10_001)
    plan = BatchPlan(lengths=lengths, batch_size=10, accumulation=1, seed=0)
    spread = [np.ptp(lengths[batch]) for batch in batches_of(plan)]
    assert 150 < np.median(spread) < 250, "10 of 500 rows that were drawn out of 10,000"
    budgeted = BatchPlan(lengths=lengths, batch_size=10, accumulation=1, seed=0, token_budget=50_000)
    spread = [np.ptp(lengths[batch]) for batch in batches_of(budgeted)]
    assert 100 < np.median(spread) < 300
