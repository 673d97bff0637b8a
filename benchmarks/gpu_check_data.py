"""Models and rows of the GPU check: made, so that it runs without a network."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
import transformers


@dataclass(frozen=True)
class Size:
    """Of a BERT with random weights."""

    layers: int
    width: int
    heads: int


def make_base(base: str, folder: Path, size: Size | None) -> Path:
    """A base model's folder: `base` itself, or a model of another size that reads what it reads."""
    from ftcore.locate import locate

    found = Path(locate(base, Path.cwd()))
    if size is None:
        return found
    folder.mkdir()
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "vocab.txt"):
        if (found / name).exists():
            shutil.copy(found / name, folder)
    vocabulary = json.loads((found / "config.json").read_text())["vocab_size"]
    torch.manual_seed(0)
    config = transformers.BertConfig(
        vocab_size=vocabulary,
        num_hidden_layers=size.layers,
        hidden_size=size.width,
        num_attention_heads=size.heads,
        intermediate_size=4 * size.width,
    )
    transformers.BertModel(config).save_pretrained(folder)
    return folder


def words_of(base: Path) -> list[str]:
    """Whole words of a base model's vocabulary, in its order."""
    vocabulary = json.loads((base / "tokenizer.json").read_text())["model"]["vocab"]
    ranked = sorted(vocabulary, key=vocabulary.__getitem__)
    return [word for word in ranked if word.isascii() and word.isalpha() and len(word) > 3][:2000]


def make_rows(words: Sequence[str], count: int, seed: int) -> list[dict[str, str]]:
    """Texts of 8 to 64 words, each with one of the first two words, which is its label."""
    draw = random.Random(seed)
    rows = []
    for _ in range(count):
        label = draw.choice(words[:2])
        text = draw.choices(words[2:], k=draw.randint(7, 63))
        text.insert(draw.randrange(len(text) + 1), label)
        rows.append({"text": " ".join(text), "label": label})
    return rows
