"""A base model that is not what it seems is refused with what is wrong, before anything is trained."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import transformers
from models import save_tiny_bert
from safetensors.torch import load_file, save_file

from ftcore.errors import ModelError
from ftcore.modeling.base_model import load_weights, open_base, open_encoder


def load(folder: Path) -> None:
    base = open_base(str(folder), folder)
    open_encoder(base, 32)
    load_weights(transformers.AutoModelForSequenceClassification, base, base.config)


def rename(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file(
        {f"model.encoder.{name}": value for name, value in weights.items()}, folder / "model.safetensors"
    )


def lose_a_layer(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    save_file({n: v for n, v in weights.items() if ".layer.1." not in n}, folder / "model.safetensors")


def configure(**values: Any) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **values}))

    return change


def without_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").unlink()
    (folder / "tokenizer_config.json").unlink()


def lying_header(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes((2**62).to_bytes(8, "little") + content[8:])


def cut_off(folder: Path) -> None:
    content = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(content[: len(content) // 2])


def broken_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "WordPiece", "vocab": 7}}')


def pipe_for_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    os.mkfifo(folder / "model.safetensors")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (rename, "37 of the 39 weights of the model are not in its file"),
        (lose_a_layer, "16 of the 39 weights"),
        (configure(vocab_size=60), "the tokenizer has 69 tokens, the model's embeddings 60"),
        (configure(vocab_size=80), "word_embeddings.weight has the shape"),
        (configure(hidden_size=16), "has the shape"),
        (configure(num_hidden_layers=1), "config.json says 1 layers, and the file has more"),
        (configure(num_hidden_layers=3), "weights of the model are not in its file"),
        (configure(num_attention_heads=0), "does not load"),
        (configure(hidden_size="wide"), "does not fit a bert"),
        (configure(type_vocab_size=3), "has the shape"),
        (without_tokenizer, "has no tokenizer"),
        (broken_tokenizer, "tokenizer does not load"),
        (lying_header, "does not load"),
        (cut_off, "does not load"),
        (pipe_for_weights, "not a regular file"),
    ],
)
def test_refused_with_what_is_wrong(tmp_path: Path, spoil: Callable[[Path], None], message: str) -> None:
    folder = save_tiny_bert(tmp_path / "base")
    spoil(folder)
    with pytest.raises(ModelError, match=message):
        load(folder)


def test_a_base_without_pooler_gets_a_new_one(tmp_path: Path) -> None:
    folder = save_tiny_bert(tmp_path / "base")
    weights = load_file(folder / "model.safetensors")
    save_file({n: v for n, v in weights.items() if "pooler" not in n}, folder / "model.safetensors")
    base = open_base(str(folder), tmp_path)
    load_weights(transformers.AutoModelForSequenceClassification, base, base.config)


def roberta(folder: Path, **config: Any) -> Path:
    import torch

    save_tiny_bert(folder)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 64}
    made = transformers.RobertaConfig(vocab_size=69, max_position_embeddings=66, **sizes, **config)
    transformers.RobertaModel(made).save_pretrained(folder)
    return folder


def test_token_types_that_the_model_lacks_are_left_out(tmp_path: Path) -> None:
    base = open_base(str(roberta(tmp_path / "base", type_vocab_size=1, pad_token_id=0)), tmp_path)
    assert open_encoder(base, 32).config.inputs == ("input_ids", "attention_mask")


def test_positions_that_start_at_another_pad_token_are_refused(tmp_path: Path) -> None:
    base = open_base(str(roberta(tmp_path / "base", type_vocab_size=1, pad_token_id=1)), tmp_path)
    with pytest.raises(ModelError, match=r"the tokenizer pads with 0, and config\.json says 1"):
        open_encoder(base, 32)
