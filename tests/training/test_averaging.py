"""Averages of weights against their formulas, and what a run evaluates and keeps of them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from small import events, kept, trained, training_of

from ftcore.training.averaging import Ema, LatestAverage, make_average


def walk(average: object, layer: torch.nn.Linear, values: list[float]) -> None:
    for value in values:
        with torch.no_grad():
            layer.weight.fill_(value)
        average.after_step()


def test_ema_follows_its_formula() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    with torch.no_grad():
        layer.weight.fill_(1.0)
    average = Ema(layer, 0.5)
    walk(average, layer, [2.0, 5.0, 3.0, 8.0, 4.0, 4.0, 9.0, 2.0, 7.0, 1.0])
    expected = 1.0
    for step, value in enumerate([2.0, 5.0, 3.0, 8.0, 4.0, 4.0, 9.0, 2.0, 7.0, 1.0], 1):
        kept_share = min(0.5, (1 + step) / (10 + step))
        expected = kept_share * expected + (1 - kept_share) * value
    assert average.weights()["weight"].item() == pytest.approx(expected)


def test_latest_average_is_the_mean_at_the_last_evaluations() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    average = LatestAverage(layer, 3)
    seen = []
    for step, value in enumerate([1.0, 2.0, 6.0, 10.0], 1):
        with torch.no_grad():
            layer.weight.fill_(value)
        with average.in_model(step):
            seen.append(layer.weight.item())
        assert layer.weight.item() == value, "its own weights are back"
    assert seen == pytest.approx([1.0, 1.5, 3.0, 6.0])


def test_an_evaluation_that_is_taken_up_again_counts_once() -> None:
    layer = torch.nn.Linear(1, 1, bias=False)
    average = LatestAverage(layer, 2)
    for step, value in ((1, 1.0), (2, 5.0), (2, 5.0)):
        with torch.no_grad():
            layer.weight.fill_(value)
        with average.in_model(step):
            pass
    assert average.weights()["weight"].item() == 3.0


@pytest.mark.parametrize("fields", [{"ema": {"decay": 0.9}}, {"average_last": 2}], ids=str)
def test_state_comes_back_in_place(fields: dict[str, object]) -> None:
    torch.manual_seed(0)
    one, other = torch.nn.Linear(2, 2), torch.nn.Linear(2, 2)
    ours, theirs = (make_average(layer, training_of(**fields)) for layer in (one, other))
    assert ours is not None
    assert theirs is not None
    walk(ours, one, [1.0, 2.0])
    ours.before_evaluation(2)
    for name, tensor in theirs.tensors.items():
        tensor.copy_(ours.tensors[name])
    for name, value in ours.weights().items():
        assert torch.equal(value, theirs.weights()[name])


@pytest.mark.parametrize("fields", [{"ema": {"decay": 0.8}}, {"average_last": 2}], ids=str)
def test_a_run_keeps_the_average_that_was_best(
    project: Path, tiny_base: Path, fields: dict[str, object]
) -> None:
    workspace = trained(project, tiny_base, training={**fields, "epochs": 3})
    (end,) = events(workspace, "training_finished")
    best = workspace.folder.checkpoints / f"step-{end['best_step']:08d}"
    raw, extras, model = (
        load_file(best / "model.safetensors"),
        load_file(best / "extras.safetensors"),
        kept(workspace),
    )
    name = "bert.encoder.layer.0.attention.self.query.weight"
    if "ema" in fields:
        expected = extras[f"average/{name}"]
    else:
        count = min(int(extras["average/seen"]), 2)
        expected = torch.stack([extras[f"average/{i}/{name}"] for i in range(count)]).mean(0)
    assert torch.equal(model[name], expected)
    if "ema" in fields:
        assert not torch.equal(model[name], raw[name]), "training itself went on from the weights"
