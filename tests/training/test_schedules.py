"""The course of the learning rate, step by step."""

from __future__ import annotations

import math

import pytest
import torch
from small import training_of

from ftcore.training.schedules import learning_rate_factor, set_learning_rates


def course(total: int = 100, **fields: object) -> list[float]:
    training = training_of(**fields)
    return [learning_rate_factor(step, total, training) for step in range(total)]


def test_every_schedule_rises_in_the_warmup() -> None:
    for scheduler in ("linear", "cosine", "constant", "inverse_sqrt", "wsd"):
        assert course(scheduler=scheduler, warmup=0.1)[:10] == pytest.approx(
            [(i + 1) / 10 for i in range(10)]
        )


@pytest.mark.parametrize(
    ("scheduler", "expected"),
    [
        ("linear", lambda step: 1 - (step - 10) / 90),
        ("cosine", lambda step: 0.5 * (1 + math.cos(math.pi * (step - 10) / 90))),
        ("constant", lambda step: 1.0),
        ("inverse_sqrt", lambda step: math.sqrt(10 / (step + 1))),
        ("wsd", lambda step: min(1.0, (100 - step) / 30)),
    ],
)
def test_after_the_warmup(scheduler: str, expected) -> None:
    found = course(scheduler=scheduler, warmup=0.1, cooldown=0.3)
    assert found[10:] == pytest.approx([expected(step) for step in range(10, 100)])


def test_wsd_is_level_and_ends_near_zero() -> None:
    found = course(scheduler="wsd", warmup=0.1, cooldown=0.2)
    assert found[10:80] == [1.0] * 70
    assert found[80:] == sorted(found[80:], reverse=True)
    assert found[-1] == pytest.approx(1 / 20)


def test_wsd_without_a_cooldown_stays_at_the_peak() -> None:
    assert course(scheduler="wsd", warmup=0.0, cooldown=0.0) == [1.0] * 100


def test_no_warmup_starts_at_the_peak() -> None:
    for scheduler in ("linear", "cosine", "constant", "inverse_sqrt", "wsd"):
        assert course(scheduler=scheduler, warmup=0.0)[0] == 1.0


def test_every_group_keeps_its_own_peak() -> None:
    one, other = torch.nn.Linear(1, 1), torch.nn.Linear(1, 1)
    optimizer = torch.optim.SGD(
        [
            {"params": one.parameters(), "lr": 1.0, "initial_lr": 1.0},
            {"params": other.parameters(), "lr": 0.1, "initial_lr": 0.1},
        ]
    )
    set_learning_rates(optimizer, 0.5)
    assert [group["lr"] for group in optimizer.param_groups] == [0.5, 0.05]
