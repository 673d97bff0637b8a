"""Which evaluation counts as the best: the metric first, then the validation loss, then the later one."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from models import labelled_rows
from small import built, events, trained, workspace_of

from ftcore.evaluation.predict import LossSum, predict
from ftcore.training.checkpoint import Progress


def best_of(*evaluations: tuple[float, float], higher: bool = True) -> int | None:
    """The best step (from 1) of these metrics and losses."""
    progress = Progress()
    for progress.step, (value, loss) in enumerate(evaluations, 1):
        progress.take(value, loss, higher_is_better=higher, min_delta=0.0)
    return progress.best_step


def test_the_metric_decides_before_the_loss() -> None:
    assert best_of((0.8, 0.3), (0.9, 0.7)) == 2
    assert best_of((0.3, 0.9), (0.4, 0.1), higher=False) == 1


@pytest.mark.parametrize(
    ("losses", "best"), [((0.5, 0.4, 0.6), 2), ((0.5, 0.5, 0.5), 3), ((0.4, 0.5, 0.6), 1)]
)
def test_equal_metrics_go_to_the_lower_loss_and_equal_losses_to_the_later(losses, best: int) -> None:
    assert best_of(*((0.8, loss) for loss in losses)) == best


def test_a_loss_that_is_not_finite_never_wins_a_tie() -> None:
    assert best_of((0.8, 0.5), (0.8, math.nan), (0.8, math.inf)) == 1
    assert best_of((0.8, math.nan), (0.8, 0.5)) == 2


def test_a_tie_does_not_count_as_a_gain_for_early_stopping() -> None:
    progress = Progress()
    for loss in (0.5, 0.4, 0.3):
        progress.take(0.8, loss, higher_is_better=True, min_delta=0.0)
    assert progress.without_improvement == 2


def test_the_validation_loss_is_the_mean_of_the_training_loss_over_the_rows(
    project: Path, tiny_base: Path
) -> None:
    rows = [{**row, "w": 1 + index % 3} for index, row in enumerate(labelled_rows(160))]
    data = {"train": rows, "columns": {"weight": "w"}}
    workspace = workspace_of(project, tiny_base, data=data, training={"label_smoothing": 0.1})
    model, _ = built(workspace)
    features = workspace.features("validation")
    loss = LossSum()
    predict(model, workspace.family, features, 7, loss=loss)
    batch = features.batch(np.arange(len(features)))
    with torch.no_grad():
        logits = model.eval()(**{n: v for n, v in batch.items() if n not in ("labels", "weight")}).logits
    each = torch.nn.functional.cross_entropy(logits, batch["labels"], label_smoothing=0.1, reduction="none")
    assert loss.mean == pytest.approx(float((each * batch["weight"]).sum() / batch["weight"].sum()), rel=1e-5)


def test_every_evaluation_reports_its_loss_and_the_best_has_the_lowest_of_equal_metrics(
    project: Path, tiny_base: Path
) -> None:
    workspace = trained(project, tiny_base, training={"epochs": 4})
    evaluated = events(workspace, "evaluated")
    assert all(event["loss"] > 0 for event in evaluated)
    best = events(workspace, "training_finished")[0]["best_step"]
    top = max(event["metrics"]["accuracy"] for event in evaluated)
    ties = [event for event in evaluated if event["metrics"]["accuracy"] == top]
    assert best == min(ties, key=lambda event: (event["loss"], -event["step"]))["step"]
