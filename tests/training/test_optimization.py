"""Which parameters an optimizer moves, at which rate, and what pulls them towards 0."""

from __future__ import annotations

import pytest
import torch
from small import training_of
from transformers import (
    AutoModelForSequenceClassification,
    BertConfig,
    DistilBertConfig,
    ModernBertConfig,
    RobertaConfig,
    T5Config,
    T5ForConditionalGeneration,
)

from ftcore.errors import UserError
from ftcore.modeling.layers import head_depth, parameter_depths
from ftcore.training.checkpoint import CheckpointStore, Progress, Setting, Training
from ftcore.training.optimization import make_optimizer, parameter_groups, shrink

SIZES = {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32, "vocab_size": 20}


def model_of(config: object) -> torch.nn.Module:
    torch.manual_seed(0)
    return AutoModelForSequenceClassification.from_config(config)


def bert() -> torch.nn.Module:
    return model_of(BertConfig(**SIZES, num_hidden_layers=3))


@pytest.mark.parametrize(
    ("config", "head"),
    [
        (BertConfig(**SIZES, num_hidden_layers=3), "bert.pooler.dense.weight"),
        (RobertaConfig(**SIZES, num_hidden_layers=3), "classifier.dense.weight"),
        (
            DistilBertConfig(vocab_size=20, dim=16, n_layers=3, n_heads=2, hidden_dim=32),
            "pre_classifier.weight",
        ),
        (ModernBertConfig(**SIZES, num_hidden_layers=3, pad_token_id=0), "head.dense.weight"),
    ],
    ids=["bert", "roberta", "distilbert", "modernbert"],
)
def test_depths_run_from_embeddings_to_head(config: object, head: str) -> None:
    depths = parameter_depths(model_of(config))
    assert set(depths.values()) == {0, 1, 2, 3, 4}
    assert depths[head] == 4
    assert {name for name, depth in depths.items() if depth == 0 and "embed" not in name} == set()
    for name, depth in depths.items():
        for layer in range(3):
            if f"layer.{layer}." in name or f"layers.{layer}." in name:
                assert depth == layer + 1


def test_decoder_layers_follow_the_encoders() -> None:
    depths = parameter_depths(
        T5ForConditionalGeneration(
            T5Config(d_model=16, num_layers=2, num_heads=2, d_ff=32, vocab_size=20, d_kv=8)
        )
    )
    assert depths["shared.weight"] == 0
    assert depths["encoder.block.1.layer.0.SelfAttention.q.weight"] == 2
    assert depths["decoder.block.0.layer.0.SelfAttention.q.weight"] == 3


def rates(model: torch.nn.Module, **fields: object) -> dict[str, tuple[float, float]]:
    """Parameter name -> learning rate and weight decay."""
    names = {id(p): name for name, p in model.named_parameters()}
    groups = parameter_groups(model, training_of(**fields))
    return {names[id(p)]: (g["initial_lr"], g["weight_decay"]) for g in groups for p in g["params"]}


def test_biases_and_norms_do_not_decay_and_matrices_do() -> None:
    found = rates(bert(), weight_decay=0.1)
    for name, (_, decay) in found.items():
        assert decay == (0.0 if name.endswith("bias") or "LayerNorm" in name else 0.1), name
    assert len(found) == len(list(bert().parameters()))


def test_a_step_without_gradient_shrinks_what_decays_alone() -> None:
    model = bert()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    optimizer = make_optimizer(model, training_of(weight_decay=0.5, learning_rate=0.1))
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        factor = 0.95 if parameter.ndim > 1 else 1.0
        torch.testing.assert_close(parameter.detach(), before[name] * factor)


def test_each_layer_goes_slower_than_the_one_above_it() -> None:
    model = bert()
    depths = parameter_depths(model)
    for name, (rate, _) in rates(model, learning_rate=1e-3, layer_decay=0.5).items():
        assert rate == pytest.approx(1e-3 * 0.5 ** (head_depth(depths) - depths[name])), name


def test_the_head_may_go_faster() -> None:
    model = bert()
    for name, (rate, _) in rates(model, learning_rate=1e-3, head_learning_rate=1e-2).items():
        assert rate == (1e-2 if "classifier" in name or "pooler" in name else 1e-3), name


def test_frozen_parameters_are_in_no_group() -> None:
    model = bert()
    model.bert.embeddings.requires_grad_(False)
    assert not [name for name in rates(model) if "embeddings" in name]


def test_l1_moves_weights_to_zero_and_not_beyond() -> None:
    layer = torch.nn.Linear(4, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[0.5, -0.5, 0.005, -0.005]]))
        layer.bias.fill_(0.001)
    shrink(torch.optim.SGD(layer.parameters(), lr=0.1), 0.1)
    torch.testing.assert_close(layer.weight.detach(), torch.tensor([[0.49, -0.49, 0.0, 0.0]]))
    assert (layer.weight[0, 2:] == 0).all(), "exactly"
    assert layer.bias.item() == pytest.approx(0.001)


def test_adafactor_keeps_rows_and_columns_and_comes_back_from_a_checkpoint(tmp_path) -> None:
    def made() -> tuple[torch.nn.Linear, torch.optim.Optimizer]:
        torch.manual_seed(1)
        layer = torch.nn.Linear(8, 8)
        return layer, make_optimizer(layer, training_of(optimizer="adafactor", learning_rate=0.01))

    def step(layer: torch.nn.Linear, optimizer: torch.optim.Optimizer) -> None:
        layer(torch.ones(1, 8)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    layer, optimizer = made()
    step(layer, optimizer)
    kept = sum(t.numel() for state in optimizer.state.values() for t in state.values())
    assert kept < layer.weight.numel(), "AdamW keeps two numbers a weight"
    store = CheckpointStore(tmp_path, pytest.fail)
    store.save(Training(layer, optimizer), Progress(step=1), Setting(1, "fp32", 1))
    step(layer, optimizer)

    other, theirs = made()
    found = store.newest()
    assert found is not None
    store.restore(found, Training(other, theirs))
    step(other, theirs)
    assert torch.equal(other.weight, layer.weight)


@pytest.mark.skipif(torch.cuda.is_available(), reason="8-bit AdamW may work here")
def test_8_bit_adamw_says_what_it_needs() -> None:
    with pytest.raises(UserError, match=r"8-bit AdamW needs") as caught:
        make_optimizer(bert(), training_of(optimizer="adamw_8bit"))
    assert "adafactor" in str(caught.value.hint)
