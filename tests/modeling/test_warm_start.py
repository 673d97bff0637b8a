"""Two encoders become an encoder-decoder: its weights are theirs, and what cannot be made one says why."""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow as pa
import pytest
import torch
from models import save_tiny_bert

from ftcore.errors import ModelError
from ftcore.families.text_generation.model import TextModel
from ftcore.families.text_generation.reader import FittedTexts
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore.modeling.base_model import read_config


def family(base: str, decoder: str, **model: object) -> TextModel:
    spec = {
        "task": "translation",
        "data": {"train": {"rows": [{"source": "a", "target": "b"}]}},
        "model": {"base": base, "decoder_base": decoder, "max_length": 16, "max_target_length": 16, **model},
    }
    return TextModel(TextGenerationSpec.model_validate(spec), FittedTexts())


def test_weights_are_both_encoders_and_the_same_each_time(tmp_path: Path) -> None:
    one, two = save_tiny_bert(tmp_path / "one"), save_tiny_bert(tmp_path / "two", num_hidden_layers=1)
    made = family(str(one), str(two), dropout=0.25)
    bases = [made.open_base(tmp_path, lambda: None, tmp_path / name) for name in ("first", "second")]  # type: ignore[arg-type, return-value]
    models = [made.build(base) for base in bases]
    weights = [model.state_dict() for model in models]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    from transformers import BertModel

    for side, folder in (("encoder.", one), ("decoder.bert.", two)):
        own = BertModel.from_pretrained(folder).state_dict()
        found = {
            name.removeprefix(side): tensor for name, tensor in weights[0].items() if name.startswith(side)
        }
        shared = set(own) & set(found)
        assert len(shared) > 10
        assert all(torch.equal(own[name], found[name]) for name in shared)
    assert any("crossattention" in name for name in weights[0])
    assert {m.p for m in models[0].modules() if isinstance(m, torch.nn.Dropout)} == {0.25}
    frame = made.fit_tokenizer(made.open_encoder(bases[0]), lambda: pa.table({"target": ["good"]})).frame
    assert frame is not None
    assert frame.prompt == (frame.start_id,)
    assert frame.eos_ids[0] != frame.start_id


def test_two_vocabularies_and_what_is_no_decoder_are_refused(tmp_path: Path) -> None:
    one, two = save_tiny_bert(tmp_path / "one"), save_tiny_bert(tmp_path / "two")
    tokenizer = json.loads((two / "tokenizer.json").read_text())
    last = max(tokenizer["model"]["vocab"], key=tokenizer["model"]["vocab"].get)
    tokenizer["model"]["vocab"]["another"] = tokenizer["model"]["vocab"].pop(last)
    (two / "tokenizer.json").write_text(json.dumps(tokenizer))
    with pytest.raises(ModelError, match="vocabulary is not that of"):
        family(str(one), str(two)).open_base(tmp_path, lambda: None, tmp_path / "made")  # type: ignore[arg-type, return-value]
    assert not (tmp_path / "made").exists()


def test_nested_configurations_lose_what_is_not_declared(tmp_path: Path) -> None:
    part = {
        "model_type": "bert",
        "hidden_size": 48,
        "auto_map": {"AutoModel": "x--y"},
        "_attn_implementation": "a/b",
    }
    whole = {"model_type": "encoder-decoder", "encoder": part, "decoder": part, "decoder_start_token_id": 3}
    (tmp_path / "config.json").write_text(json.dumps(whole))
    config = read_config(tmp_path / "config.json", "base")
    assert config.decoder.hidden_size == 48
    assert config.decoder_start_token_id == 3
    assert not hasattr(config.encoder, "auto_map")
    assert config.encoder._attn_implementation != "a/b"


def test_a_type_without_cross_attention_is_refused(tmp_path: Path) -> None:
    from transformers import DistilBertConfig, DistilBertModel

    one, two = save_tiny_bert(tmp_path / "one"), save_tiny_bert(tmp_path / "two")
    DistilBertModel(DistilBertConfig(dim=32, n_heads=2, n_layers=1, hidden_dim=64)).save_pretrained(two)
    with pytest.raises(ModelError, match="distilbert cannot be made a decoder"):
        family(str(one), str(two)).open_base(tmp_path, lambda: None, tmp_path / "made")  # type: ignore[arg-type, return-value]
