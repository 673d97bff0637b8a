"""What is frozen does not move, and what thaws moves from its epoch on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small import built, kept, trained, workspace_of

from ftcore.errors import UserError
from ftcore.modeling.layers import parameter_depths
from ftcore.spec.training import FreezeSpec
from ftcore.training.freezing import Freezing


def moved(project: Path, base: Path, freeze: dict[str, Any], **training: Any) -> set[int]:
    """Depths with a weight that training changed: 0 embeddings, 1 and 2 the layers, 3 the head."""
    workspace = trained(project, base, training={"freeze": freeze, "weight_decay": 0.1, **training})
    after = kept(workspace)
    model = workspace.family.model.build(workspace.base)
    before, depths = dict(model.named_parameters()), parameter_depths(model)
    return {depths[name] for name in before if name in after and not torch.equal(before[name], after[name])}


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
    project: Path, tiny_base: Path, freeze: dict[str, Any], expected: set[int]
) -> None:
    assert moved(project, tiny_base, freeze, max_steps=2) == expected


@pytest.mark.parametrize(("epochs", "expected"), [(1, {3}), (2, {2, 3}), (3, {1, 2, 3}), (4, {0, 1, 2, 3})])
def test_one_layer_more_thaws_each_epoch(
    project: Path, tiny_base: Path, epochs: int, expected: set[int]
) -> None:
    # The last weights are kept, not the best ones, so that the last epoch shows.
    training = {"epochs": epochs, "scheduler": "constant", "average_last": None}
    assert moved_to_the_end(project, tiny_base, training) == expected


def moved_to_the_end(project: Path, base: Path, training: dict[str, Any]) -> set[int]:
    from safetensors.torch import load_file

    workspace = trained(project, base, training={"freeze": {"gradual": True}, "batch_size": 48, **training})
    last = max(workspace.folder.checkpoints.glob("step-*"))
    after = load_file(last / "model.safetensors")
    model = workspace.family.model.build(workspace.base)
    depths = parameter_depths(model)
    body = {
        name: p for name, p in model.named_parameters() if name.startswith("bert.") and "pooler" not in name
    }
    return {3} | {depths[name] for name, p in body.items() if not torch.equal(p, after[name])}


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
