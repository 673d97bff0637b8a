"""Tiny random base models as folders, a BERT and decoders, and a spec that trains on it in a second."""

from __future__ import annotations

import atexit
import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from shutil import rmtree
from tempfile import mkdtemp
from typing import Any

import pytest
from bundles import WORDS, tiny_tokenizer
from tokenizers import Tokenizer

from ftcore.runs.folder import RunFolder
from ftcore_runtime.files import sha256

POSITIVE, NEGATIVE = ("good", "nice"), ("bad", "slow")


def save_tiny_bert(folder: Path, room: int = 0, **config: Any) -> Path:
    """Write config.json, model.safetensors and a tokenizer into `folder`; with `room` for so many more tokens."""
    import torch
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    tokenizer = tiny_tokenizer()
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    BertModel(
        BertConfig(
            vocab_size=tokenizer.get_vocab_size() + room, max_position_embeddings=64, **{**sizes, **config}
        )
    ).save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    ).save_pretrained(folder)
    return folder


def save_tiny_decoder(
    folder: Path, tokenizer: Tokenizer, kind: str = "llama", *, tokens: Mapping[str, Any], **config: Any
) -> Path:
    """Write a random decoder of one layer and its tokenizer into `folder`.

    Args:
        kind: the type of the model.
        tokens: special tokens and other settings of `PreTrainedTokenizerFast`.
        config: fields of the configuration that are not the usual ones.
    """
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

    torch.manual_seed(0)
    sizes = {
        "vocab_size": tokenizer.get_vocab_size(),
        "hidden_size": 32,
        "num_hidden_layers": 1,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
    }
    made = AutoConfig.for_model(kind, **{**sizes, **config})
    AutoModelForCausalLM.from_config(made).save_pretrained(folder)
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **tokens).save_pretrained(folder)
    return folder


def labelled_rows(count: int) -> list[dict[str, str]]:
    """Texts that a word decides: {"text", "label"}, `pos` and `neg` in turn, no two equal."""
    fillers = [word for word in WORDS if word not in (*POSITIVE, *NEGATIVE)]
    rows = []
    for index in range(count):
        words = POSITIVE if index % 2 else NEGATIVE
        rest = [fillers[(index // len(fillers) ** digit) % len(fillers)] for digit in range(3)]
        text = " ".join([words[(index // 2) % 2], *rest])
        rows.append({"text": text, "label": "pos" if index % 2 else "neg"})
    return rows


@cache
def rows_file(count: int) -> Path:
    """`labelled_rows` in a file of this process: 160 in a spec take a hundred times as long to write and to read."""
    file = Path(mkdtemp(prefix="rows-")) / "rows.jsonl"
    atexit.register(rmtree, file.parent)
    file.write_text("".join(json.dumps(row) + "\n" for row in labelled_rows(count)))
    return file


def tiny_spec(base: Path, *, rows: int = 160, **sections: Any) -> dict[str, Any]:
    """A classification spec, whose rows nobody audits; `sections` are merged into the spec's own."""
    spec: dict[str, Any] = {
        "task": "classification",
        "data": {"train": {"path": str(rows_file(rows))}, "split": {"validation": 32, "test": 32}},
        "model": {"base": str(base), "max_length": 16},
        "training": {
            "recipe": "plain",
            "epochs": 2,
            "batch_size": 16,
            "learning_rate": 5e-3,
            "precision": "fp32",
        },
        "evaluation": {"bootstrap": 20},
        "checks": {"audit": "off"},
    }
    for name, section in sections.items():
        spec[name] = {**spec[name], **section} if isinstance(spec.get(name), dict) else section
    return spec


@pytest.fixture(scope="session")
def tiny_base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The base model's folder; read only."""
    return save_tiny_bert(tmp_path_factory.mktemp("tiny-base"))


def write_spec(run: Path, spec: dict[str, Any]) -> None:
    """Let a run have another resolved spec, as if it had begun with it."""
    folder = RunFolder(run)
    folder.spec_file.write_text(json.dumps(spec))
    folder.update(spec_sha256=sha256(folder.spec_file))
