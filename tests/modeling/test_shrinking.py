"""A student with some of the base model's layers: which they are, and what cannot be cut."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers

from ftcore.errors import UserError
from ftcore.modeling.shrinking import keep_layers

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
