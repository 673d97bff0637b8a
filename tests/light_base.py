"""A base model as far as `ftcore validate` looks into it: configuration, weights and tokenizer, made without torch."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from bundles import tiny_tokenizer
from safetensors.numpy import save_file


def save_light_base(folder: Path) -> Path:
    """Write config.json, model.safetensors (the embeddings alone) and tokenizer.json into `folder`, made if absent."""
    folder.mkdir(exist_ok=True)
    tokenizer = tiny_tokenizer()
    rows = tokenizer.get_vocab_size()
    (folder / "config.json").write_text(
        json.dumps({"model_type": "bert", "vocab_size": rows, "num_hidden_layers": 1, "pad_token_id": 0})
    )
    weights = {
        "embeddings.word_embeddings.weight": np.zeros((rows, 2), np.float32),
        "encoder.layer.0.output.dense.weight": np.zeros((2, 2), np.float32),
    }
    save_file(weights, folder / "model.safetensors")
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder
