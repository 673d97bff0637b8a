"""A student with some of the base model's layers or intermediate features: which they are, and what cannot be cut."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from ftcore.errors import UserError
from ftcore.modeling.shrinking import keep_intermediate, keep_layers

SIZES = {
    "vocab_size": 60,
    "hidden_size": 32,
    "num_hidden_layers": 6,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "pad_token_id": 0,
}


def model_of(kind: str, **config: Any) -> Any:
    torch.manual_seed(0)
    made = transformers.AutoConfig.for_model(kind, **{**SIZES, **config})
    return transformers.AutoModelForSequenceClassification.from_config(made).eval()


def logits(model: Any) -> torch.Tensor:
    with torch.no_grad():
        return model(torch.arange(4, 14).view(2, 5)).logits


@pytest.mark.parametrize(
    "kind", ["bert", "distilbert", "roberta", "electra", "mpnet", "deberta-v2", "modernbert"]
)
def test_the_layers_that_stay_are_the_bases_own(kind: str) -> None:
    whole = model_of(kind)
    small = keep_layers(whole, 3).eval()
    assert small.config.num_hidden_layers == 3
    left_out = next(module for module in whole.modules() if isinstance(module, torch.nn.ModuleList))
    for layer in reversed((1, 3, 4)):  # 6 layers in 3 even steps: 0, 2 (2.5 rounded to even) and 5
        del left_out[layer]
    torch.testing.assert_close(logits(small), logits(whole))


def test_all_layers_are_the_whole_model_and_one_is_the_first() -> None:
    whole = model_of("bert")
    torch.testing.assert_close(logits(keep_layers(whole, 6).eval()), logits(whole))
    one = keep_layers(whole, 1).state_dict()
    key = "bert.encoder.layer.0.output.dense.weight"
    torch.testing.assert_close(one[key], whole.state_dict()[key])


@pytest.mark.parametrize(
    ("kind", "count", "message"),
    [("bert", 7, "6 layers, fewer than 7"), ("albert", 2, "not one stack"), ("bart", 1, "not one stack")],
)
def test_what_cannot_be_cut_is_refused(kind: str, count: int, message: str) -> None:
    sizes = {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16} if kind == "bart" else {}
    with pytest.raises(UserError, match=message):
        keep_layers(model_of(kind, **sizes), count)


@pytest.mark.parametrize(
    "kind", ["bert", "distilbert", "roberta", "electra", "mpnet", "deberta-v2", "llama", "gpt_neox"]
)
def test_features_without_weight_can_be_left_out(kind: str) -> None:
    whole = model_of(kind, **({"hidden_dim": 48, "intermediate_size": None} if kind == "distilbert" else {}))
    stack = next(module for module in whole.modules() if isinstance(module, torch.nn.ModuleList))
    with torch.no_grad():
        for number, layer in enumerate(stack):
            for module in layer.modules():
                if isinstance(module, torch.nn.Linear) and module.in_features == 48:
                    module.weight[:, number % 3 :: 3] = 0  # others in each layer
    small = keep_intermediate(whole, 32).eval()
    assert whole.config.to_dict() != small.config.to_dict()
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in whole.parameters())
    torch.testing.assert_close(logits(small), logits(whole))


def test_the_features_that_stay_are_those_with_the_largest_weights_in_their_order() -> None:
    whole = model_of("bert", num_hidden_layers=1)
    layer = whole.bert.encoder.layer[0]
    with torch.no_grad():
        layer.intermediate.dense.weight[[7, 3]] *= 100
        layer.output.dense.weight[:, [40, 3]] *= 50
        layer.output.dense.weight[:, 7] = 0
    small = keep_intermediate(whole, 2).bert.encoder.layer[0]
    torch.testing.assert_close(small.intermediate.dense.weight, layer.intermediate.dense.weight[[3, 40]])
    torch.testing.assert_close(small.intermediate.dense.bias, layer.intermediate.dense.bias[[3, 40]])
    torch.testing.assert_close(small.output.dense.weight, layer.output.dense.weight[:, [3, 40]])


def test_layers_and_features_can_both_be_left_out() -> None:
    small = keep_intermediate(keep_layers(model_of("bert"), 2), 24)
    assert (small.config.num_hidden_layers, small.config.intermediate_size) == (2, 24)
    assert logits(small.eval()).shape == (2, 2)


@pytest.mark.parametrize(
    ("kind", "config", "count", "message"),
    [
        ("bert", {}, 49, "has 48 in each layer, fewer than 49"),
        # As wide as the layer itself:
        ("bert", {"intermediate_size": 32}, 8, "none that could be left out alone"),
        ("gpt2", {}, 8, "none that could be left out alone"),
        ("modernbert", {}, 8, "none that could be left out alone"),
        ("albert", {}, 8, "not one stack"),
        ("bart", {"d_model": 16, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}, 8, "not one stack"),
    ],
)
def test_features_that_cannot_be_cut_are_refused(
    kind: str, config: dict[str, Any], count: int, message: str
) -> None:
    with pytest.raises(UserError, match=message) as error:
        keep_intermediate(model_of(kind, **config), count)
    assert error.value.where == "model.keep_intermediate"
