"""Pooled classifiers: what they compute, for every architecture, and what they read of and write to a folder."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
import transformers
from models import save_tiny_bert
from safetensors.torch import load_file, save_file

from ftcore.errors import ModelError
from ftcore.modeling.base_model import BaseModel, load_weights, open_base
from ftcore.modeling.pooling import (
    best_pooling,
    last_token,
    max_of_tokens,
    mean_of_tokens,
    pooled_classifier,
    trained_pooling,
)

OTHERS = {
    "distilbert": {},
    "roberta": {},
    "mpnet": {},
    "electra": {"embedding_size": 16},
    "albert": {"embedding_size": 16},
    "deberta-v2": {},
    "modernbert": {},
    "xlm-roberta": {},
}


def base_with(folder: Path, **switches: object) -> BaseModel:
    """The base model in `folder`, with this in its `1_Pooling/config.json`."""
    (folder / "1_Pooling").mkdir(exist_ok=True)
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(switches))
    return open_base(str(folder), folder)


@pytest.mark.parametrize(
    ("switches", "pooling"),
    [
        ({"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": False}, "mean"),
        ({"pooling_mode_cls_token": True, "word_embedding_dimension": 32}, "first_token"),
        ({"pooling_mode": "mean"}, "mean"),
        ({"pooling_mode": "cls"}, "first_token"),
        ({"pooling_mode_max_tokens": True}, "max"),
        ({"pooling_mode_lasttoken": True}, "last_token"),
        ({"pooling_mode": "lasttoken"}, "last_token"),
        ({"pooling_mode_weightedmean_tokens": True}, None),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, None),
        ({}, None),
    ],
)
def test_the_base_models_own_pooling_is_read(tmp_path: Path, switches, pooling) -> None:
    assert trained_pooling(base_with(save_tiny_bert(tmp_path), **switches)) == pooling


def test_a_base_without_it_or_with_a_head_of_its_own_has_none(tmp_path: Path) -> None:
    base = open_base(str(save_tiny_bert(tmp_path)), tmp_path)
    assert trained_pooling(base) is None
    base = base_with(tmp_path, pooling_mode_mean_tokens=True)
    base.config.architectures = ["BertForSequenceClassification"]
    assert trained_pooling(base) is None


def test_the_mean_takes_the_place_of_a_pooler_without_weights(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path)
    assert best_pooling(open_base(str(folder), folder)) is None  # its pooler has weights
    path = folder / "model.safetensors"
    weights = {name: value for name, value in load_file(path).items() if "pooler" not in name}
    save_file(weights, path, {"format": "pt"})
    base = open_base(str(folder), folder)
    assert best_pooling(base) == "mean"
    base.config.architectures = ["BertForSequenceClassification"]
    assert best_pooling(base) is None


def test_of_a_decoder_the_last_token_has_seen_the_text(tmp_path: Path) -> None:
    config = transformers.GPT2Config(n_embd=32, n_layer=1, n_head=2, vocab_size=50)
    assert best_pooling(BaseModel(tmp_path, config)) == "last_token"
    config.architectures = ["GPT2ForSequenceClassification"]
    assert best_pooling(BaseModel(tmp_path, config)) is None
    xlnet = transformers.XLNetConfig(d_model=32, n_layer=1, n_head=2, vocab_size=50)
    assert best_pooling(BaseModel(tmp_path, xlnet)) is None


def test_a_broken_file_is_an_error_that_names_it(tmp_path: Path) -> None:
    base = base_with(save_tiny_bert(tmp_path))
    (tmp_path / "1_Pooling" / "config.json").write_text("[1")
    with pytest.raises(ModelError, match="no JSON object") as caught:
        trained_pooling(base)
    assert str(caught.value.where).endswith("1_Pooling/config.json")


def test_padding_has_no_part_in_the_mean() -> None:
    hidden = torch.arange(12.0).reshape(2, 3, 2)
    mask = torch.tensor([[1, 1, 0], [1, 1, 1]])
    assert mean_of_tokens(hidden, mask).tolist() == [[1.0, 2.0], [8.0, 9.0]]
    assert mean_of_tokens(hidden, None).tolist() == [[2.0, 3.0], [8.0, 9.0]]


def test_the_largest_and_the_last_of_the_real_tokens() -> None:
    hidden = torch.tensor([[[1.0, 5], [3, 2], [9, 9]], [[9, 9], [4, 1], [2, 3]]])
    mask = torch.tensor([[1, 1, 0], [0, 1, 1]])
    assert max_of_tokens(hidden, mask).tolist() == [[3, 5], [4, 3]]
    assert last_token(hidden, mask).tolist() == [[3, 2], [2, 3]]
    assert max_of_tokens(hidden, None).tolist() == [[9, 9], [9, 9]]
    assert last_token(hidden, None).tolist() == [[9, 9], [2, 3]]


@pytest.mark.parametrize("kind", OTHERS)
@pytest.mark.parametrize("pooling", ["mean", "first_token"])
def test_logits_are_the_head_on_the_pooled_states_of_the_base(tmp_path: Path, kind: str, pooling) -> None:
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(
        kind,
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=24,
        num_labels=3,
        pad_token_id=1,
        bos_token_id=0,
        eos_token_id=2,
        cls_token_id=0,
        sep_token_id=2,
        **OTHERS[kind],
    )
    whole = transformers.AutoModel.from_config(config).eval()
    whole.save_pretrained(tmp_path)
    model = load_weights(pooled_classifier(config, pooling), BaseModel(tmp_path, config), config).eval()
    ids = torch.randint(3, 50, (2, 5))
    mask = torch.tensor([[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]])
    with torch.no_grad():
        hidden = whole(input_ids=ids, attention_mask=mask).last_hidden_state
        pooled = hidden[:, 0] if pooling == "first_token" else mean_of_tokens(hidden, mask)
        expected = model.classifier(pooled)
        assert torch.equal(model(input_ids=ids, attention_mask=mask).logits, expected)
    assert not any("pooler" in name for name, _ in model.named_parameters())


def test_a_saved_model_says_how_it_pools_and_comes_back_equal(tmp_path: Path) -> None:
    base = base_with(save_tiny_bert(tmp_path / "base"), pooling_mode_mean_tokens=True)
    base.config.num_labels = 4
    model = load_weights(pooled_classifier(base.config, "mean"), base, base.config)
    model.save_pretrained(tmp_path / "kept")
    kept = open_base(str(tmp_path / "kept"), tmp_path)
    assert trained_pooling(kept) == "mean"
    assert kept.config.architectures == [type(model).__name__] == ["BertMeanPooledClassifier"]
    again = load_weights(pooled_classifier(kept.config, "mean"), kept, kept.config)
    for (name, one), (other, two) in zip(model.state_dict().items(), again.state_dict().items(), strict=True):
        assert name == other
        assert torch.equal(one, two)


def test_an_encoder_decoder_has_nothing_to_pool() -> None:
    with pytest.raises(ModelError, match="no token states to pool"):
        pooled_classifier(transformers.T5Config(), "mean")
