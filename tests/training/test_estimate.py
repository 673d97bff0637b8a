"""What an estimate adds up from: slower first steps, and the checkpoints that a training on all rows writes."""

from __future__ import annotations

from pathlib import Path

import pytest
from models import labelled_rows
from small import events, trained

from ftcore.audit.estimate import _Timed, _Work


def test_the_first_steps_are_counted_as_what_they_took() -> None:
    timed = _Timed(built=0.0, parameters=1, at={"training_started": 100.0}, steps=[(10, 105.0), (18, 107.0)])
    assert timed.of_steps(10) == 5.0
    assert timed.of_steps(4) == 2.0
    assert timed.of_steps(110) == 5.0 + 100 * 0.25


def test_a_training_that_is_over_before_they_are() -> None:
    timed = _Timed(built=0.0, parameters=1, at={"training_started": 100.0}, steps=[(3, 106.0)])
    assert timed.of_steps(5) == 10.0


@pytest.mark.parametrize("refit", [True, False])
def test_the_checkpoints_of_the_last_training_are_foreseen(
    project: Path, tiny_base: Path, refit: bool
) -> None:
    data = {"train": labelled_rows(100), "split": {"validation": 20, "test": 20}}
    training = {"epochs": 2, "batch_size": 10, "evaluate_every": 12, "refit": refit}
    run = trained(project, tiny_base, data=data, training=training)
    work = _Work.of(run.training_inputs)
    assert (work.steps, work.evaluations) == (12, 1)
    phase = "refit" if refit else None
    saved = [event for event in events(run, "checkpoint_saved") if event.get("phase") == phase]
    assert all(event["share"] == 1.0 for event in events(run, "refit_started")), "or fewer steps are taken"
    assert work.last_evaluations == len([event for event in saved if event["step"]])
