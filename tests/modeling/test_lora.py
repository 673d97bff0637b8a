"""LoRA: what trains, and that the merged model is the plain architecture with the same answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "training"))
from small import built, kept, trained, workspace_of

from ftcore.errors import UserError
from ftcore.modeling.lora import add_lora, merge_lora
from ftcore.spec.sections import LoraSpec


def model_and_batch(project: Path, base: Path) -> tuple[Any, dict[str, torch.Tensor]]:
    model, batch = built(workspace_of(project, base))
    batch.pop("weight")
    return model.eval(), batch


def shake(model: torch.nn.Module) -> None:
    """Give the updates, which begin at 0, some value."""
    for name, parameter in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.5)


def test_it_begins_as_the_base_model_and_ends_merged(project: Path, tiny_base: Path) -> None:
    model, batch = model_and_batch(project, tiny_base)
    names = set(model.state_dict())
    with torch.no_grad():
        before = model(**batch).logits
        add_lora(model, LoraSpec(rank=4, dropout=0.1))
        model.eval()
        assert torch.equal(model(**batch).logits, before)
        shake(model)
        updated = model(**batch).logits
        assert not torch.allclose(updated, before)
        merge_lora(model)
        torch.testing.assert_close(model(**batch).logits, updated)
    assert set(model.state_dict()) == names
    assert not [m for m in model.modules() if "lora" in type(m).__module__]
    assert not hasattr(model, "peft_config")


def test_updates_and_head_train_and_nothing_else(project: Path, tiny_base: Path) -> None:
    model, _ = model_and_batch(project, tiny_base)
    add_lora(model, LoraSpec(rank=2))
    for name, parameter in model.named_parameters():
        trains = "lora_" in name or "classifier" in name or "pooler" in name
        assert parameter.requires_grad == trains, name
    shapes = {tuple(p.shape) for n, p in model.named_parameters() if "lora_A" in n}
    assert {shape[0] for shape in shapes} == {2}


def test_target_modules_are_the_layers_that_are_named(project: Path, tiny_base: Path) -> None:
    model, _ = model_and_batch(project, tiny_base)
    add_lora(model, LoraSpec(target_modules=["query", "attention.output.dense"]))
    layers = {
        n.split(".lora_A")[0].split("layer.")[1][2:] for n, _ in model.named_parameters() if "lora_A" in n
    }
    assert layers == {"attention.self.query", "attention.output.dense"}
    other, _ = model_and_batch(project, tiny_base)
    with pytest.raises(UserError, match=r"called 'q_proj'; there are dense, key, query, value"):
        add_lora(other, LoraSpec(target_modules=["q_proj"]))


def test_a_run_keeps_the_merged_model(project: Path, tiny_base: Path) -> None:
    workspace = trained(project, tiny_base, model={"lora": {"rank": 4}}, training={"learning_rate": 0.02})
    before = workspace.family.model.build(workspace.base).state_dict()
    after = kept(workspace)
    assert set(after) == set(before)
    query = "bert.encoder.layer.0.attention.self.query.weight"
    change = after[query] - before[query]
    assert change.abs().max() > 0
    assert torch.linalg.matrix_rank(change, atol=1e-5) <= 4
    for name in ("bert.embeddings.word_embeddings.weight", "bert.encoder.layer.0.output.LayerNorm.weight"):
        assert torch.equal(after[name], before[name]), "frozen"


def test_without_peft_the_extra_is_named(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, _ = model_and_batch(project, tiny_base)
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(UserError, match="needs the package peft") as caught:
        add_lora(model, LoraSpec())
    assert "ftcore[lora]" in str(caught.value.hint)


@pytest.mark.skipif(torch.cuda.is_available(), reason="4-bit weights may work here")
def test_4_bit_weights_say_what_they_need(project: Path, tiny_base: Path) -> None:
    model, _ = model_and_batch(project, tiny_base)
    with pytest.raises(UserError, match="4-bit weights need"):
        add_lora(model, LoraSpec(), "nf4")
