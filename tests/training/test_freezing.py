"""What is frozen does not move, and what thaws moves from its epoch on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from small import built, kept, trained, workspace_of

from ftcore.errors import UserError
from ftcore.modeling.layers import parameter_depths
from ftcore.runs import fitting
from ftcore.runs.workspace import Workspace
from ftcore.spec.training import FreezeSpec
from ftcore.training.checkpoint import Progress
from ftcore.training.freezing import Freezing
from ftcore.training.job import Job


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    """The weights that training begins with, those of the new head among them; filled when it does."""
    found: dict[str, torch.Tensor] = {}
    whole = fitting.fine_tune

    def fine_tune(job: Job) -> Progress:
        found.update({name: p.detach().cpu().clone() for name, p in job.model.named_parameters()})
        return whole(job)

    monkeypatch.setattr(fitting, "fine_tune", fine_tune)
    return found


def moved(
    workspace: Workspace, before: Mapping[str, torch.Tensor], after: Mapping[str, torch.Tensor]
) -> set[int]:
    """Depths with a weight that changed: 0 embeddings, 1 and 2 the layers, 3 the head."""
    depths = parameter_depths(workspace.family.model.build(workspace.base))
    return {
        depths[name]
        for name, value in before.items()
        if not torch.allclose(value, after[name], rtol=0, atol=1e-12)
    }


@pytest.mark.parametrize(
    ("freeze", "expected"),
    [
        ({"embeddings": True}, {1, 2, 3}),
        ({"layers": 1}, {0, 2, 3}),
        ({"embeddings": True, "layers": 2}, {3}),
        ({"trunk": True}, {3}),
    ],
    ids=str,
)
def test_frozen_weights_do_not_move(
    project: Path,
    tiny_base: Path,
    begun: dict[str, torch.Tensor],
    freeze: dict[str, Any],
    expected: set[int],
) -> None:
    training = {"freeze": freeze, "weight_decay": 0.1, "max_steps": 2}
    workspace = trained(project, tiny_base, training=training)
    assert moved(workspace, begun, kept(workspace)) == expected


def test_a_rate_of_nothing_moves_no_head(
    project: Path, tiny_base: Path, begun: dict[str, torch.Tensor]
) -> None:
    """The head is drawn anew for each model: only what training began with can be compared."""
    training = {"freeze": {"trunk": True}, "head_learning_rate": 1e-30, "max_steps": 2}
    workspace = trained(project, tiny_base, training=training)
    assert moved(workspace, begun, kept(workspace)) == set()


@pytest.mark.parametrize(("epochs", "expected"), [(1, {3}), (2, {2, 3}), (3, {1, 2, 3}), (4, {0, 1, 2, 3})])
def test_one_layer_more_thaws_each_epoch(
    project: Path, tiny_base: Path, begun: dict[str, torch.Tensor], epochs: int, expected: set[int]
) -> None:
    training = {"epochs": epochs, "scheduler": "constant", "freeze": {"gradual": True}, "batch_size": 48}
    workspace = trained(project, tiny_base, training=training)
    # The last weights, not the best ones, so that the last epoch shows.
    last = max(workspace.folder.checkpoints.glob("step-*"))
    assert moved(workspace, begun, load_file(last / "model.safetensors")) == expected


def test_gradual_unfreezing_stops_at_what_is_frozen_for_good(project: Path, tiny_base: Path) -> None:
    model, _ = built(workspace_of(project, tiny_base))
    freezing = Freezing(model, FreezeSpec(gradual=True, embeddings=True, layers=1))
    freezing.begin(99)
    depths = parameter_depths(model)
    assert {depths[name] for name, p in model.named_parameters() if p.requires_grad} == {2, 3}


def test_more_layers_than_there_are(project: Path, tiny_base: Path) -> None:
    model, _ = built(workspace_of(project, tiny_base))
    with pytest.raises(UserError, match="has 2 layers, fewer than 3"):
        Freezing(model, FreezeSpec(layers=3))


def test_a_model_without_a_head_has_no_trunk_to_freeze() -> None:
    from transformers import BertConfig, BertModel

    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    with pytest.raises(UserError, match="no head apart"):
        Freezing(BertModel(BertConfig(vocab_size=20, **sizes)), FreezeSpec(trunk=True))
