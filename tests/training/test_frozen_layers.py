"""Frozen first layers run once, and what is looked up is what they would have said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import built, events, kept, trained, workspace_of
from transformers.models.bert.modeling_bert import BertLayer

from ftcore.runs.workspace import cache_dir
from ftcore.spec.training import FreezeSpec
from ftcore.training import kept_states
from ftcore.training.freezing import Freezing
from ftcore.training.frozen_layers import layers_run_once

FROZEN: dict[str, Any] = {"freeze": {"embeddings": True, "layers": 1}, "learning_rate": 0.01, "epochs": 3}


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of every pass through a layer of BERT that is really computed."""
    seen: list[int] = []
    whole = BertLayer.forward

    def forward(layer: BertLayer, hidden: torch.Tensor, *args: Any, **inputs: Any) -> Any:
        seen.append(len(hidden))
        return whole(layer, hidden, *args, **inputs)

    monkeypatch.setattr(BertLayer, "forward", forward)
    return seen


@pytest.mark.parametrize(("half", "close"), [(False, 1e-6), (True, 2e-3)])
def test_the_layers_above_answer_alike(project: Path, tiny_base: Path, half: bool, close: float) -> None:
    workspace = workspace_of(project, tiny_base, model={"dropout": 0.0})
    model, _ = built(workspace)
    store = workspace.features("train")
    Freezing(model, FreezeSpec(embeddings=True, layers=1))

    def gradients(rows: slice) -> dict[str, torch.Tensor]:
        model.train()
        model.zero_grad()
        workspace.family.model.outputs(model, store.batch(np.arange(96)[rows]))[
            "logits"
        ].square().sum().backward()
        return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}

    real = gradients(slice(0, 24))
    with layers_run_once(
        model, workspace.family.model, [store], cache_dir() / "trunk", 1, half=half, warn=pytest.fail
    ):
        looked_up = gradients(slice(0, 24))
    assert looked_up.keys() == real.keys()
    assert not any("embeddings" in name or "layer.0." in name for name in real)
    largest = max(float(value.abs().max()) for value in real.values())
    for name, value in real.items():
        torch.testing.assert_close(looked_up[name], value, atol=close * largest, rtol=close)
    after = gradients(slice(0, 24))
    assert all(after[name].equal(value) for name, value in real.items()), "afterwards all is as it was"


def test_only_the_layers_above_run_in_every_epoch(project: Path, tiny_base: Path, passes: list[int]) -> None:
    trained(project, tiny_base, training=FROZEN)
    layers, kept_rows, rehearsed, probed = 2, 96 + 32, 8, 4
    # The one pass and the probe go through both layers; with known outputs the probe, and every epoch, through one.
    assert sum(passes) == layers * (kept_rows + rehearsed + probed) + probed + 3 * (96 + 32)


def test_training_on_what_was_kept_is_training_on_the_layers(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = kept(trained(project, tiny_base, training=FROZEN))
    monkeypatch.setattr(kept_states.KeptStates, "remember", lambda *_: None)
    ran = kept(trained(project, tiny_base, training=FROZEN))
    for name, value in looked_up.items():
        torch.testing.assert_close(value, ran[name], atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "training",
    [
        {"freeze": {"layers": 1}},
        {"freeze": {"embeddings": True, "layers": 1, "gradual": True}},
        {"freeze": {"embeddings": True, "layers": 1}, "fgm": 0.5},
    ],
)
def test_layers_whose_outputs_change_run_every_time(
    project: Path, tiny_base: Path, passes: list[int], training: dict[str, Any]
) -> None:
    trained(project, tiny_base, training={"epochs": 2, **training})
    assert sum(passes) >= 2 * 2 * (96 + 32)
    assert not (cache_dir() / "trunk").exists()


def test_a_model_that_cannot_do_without_says_so(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ftcore.training.frozen_layers.same_outputs", lambda *_: False)
    run = trained(project, tiny_base, training=FROZEN)
    (warning,) = [event["message"] for event in events(run, "warning")]
    assert "BertForSequenceClassification cannot go without them" in warning
