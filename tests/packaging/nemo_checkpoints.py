"""Checkpoints of a classifier as NeMo Automodel 0.7 lays them; `test_engines.py` compares them with its own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

STEP = "epoch_0_step_2"
_TOKENIZER = ("tokenizer.json", "tokenizer_config.json")
_METADATA = ("config.json", "fqn_to_dtype_mapping.json", "fqn_to_file_index_mapping.json", *_TOKENIZER)
_SHARD = "shard-00001-model-00001-of-00001.safetensors"
_PARTS = (*(f".hf_metadata/{name}" for name in _METADATA), "consolidate.sh", _SHARD)
_WHOLE = ("config.json", "model-00001-of-00001.safetensors", "model.safetensors.index.json", *_TOKENIZER)
#: Kind -> the files of a checkpoint, seen from its `model/`.
FILES: Mapping[str, frozenset[str]] = {
    "whole": frozenset({*_PARTS, *(f"consolidated/{name}" for name in _WHOLE)}),
    "sharded": frozenset(_PARTS),
    "adapter": frozenset(
        {"adapter_config.json", "adapter_model.safetensors", "automodel_peft_config.json", *_TOKENIZER}
    ),
}
RANK, ALPHA = 4, 8


def write_checkpoint(kind: str, model: Path, folder: Path) -> Path:
    """Write `folder/epoch_0_step_2` of the model in a Hugging Face folder, and `folder/LATEST`, which points to it."""
    inside = folder / STEP / "model"
    for name in FILES[kind]:
        file = inside / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if (model / file.name).is_file():
            shutil.copyfile(model / file.name, file)
        elif file.name == "adapter_model.safetensors":
            save_file(adapter(model), file)
        elif file.suffix == ".safetensors":
            shutil.copyfile(model / "model.safetensors", file)
        elif file.name == "model.safetensors.index.json":
            weights = load_file(model / "model.safetensors")
            size = sum(weight.nbytes for weight in weights.values())
            index = {"metadata": {"total_size": size}, "weight_map": dict.fromkeys(weights, _WHOLE[1])}
            file.write_text(json.dumps(index))
        elif file.name == "adapter_config.json":
            file.write_text(json.dumps(adapter_config(model)))
        else:
            file.write_text("{}")
    (folder / "LATEST").symlink_to(STEP)
    return folder


def adapter(model: Path) -> dict[str, np.ndarray]:
    """Low-rank updates of every linear layer, the head among them, as NeMo's `match_all_linear` makes them."""
    draw = np.random.default_rng(0)
    found = {}
    for name in linear_layers(model):
        out, into = load_file(model / "model.safetensors")[f"{name}.weight"].shape
        for part, shape in (("lora_A", (RANK, into)), ("lora_B", (out, RANK))):
            found[f"base_model.model.{name}.{part}.weight"] = draw.normal(size=shape).astype(np.float32)
    return found


def adapter_config(model: Path) -> dict[str, object]:
    """The keys that NeMo writes."""
    return {
        "base_model_name_or_path": "model",
        "bias": "none",
        "lora_alpha": ALPHA,
        "peft_type": "LORA",
        "r": RANK,
        "target_modules": linear_layers(model),
        "task_type": "SEQ_CLS",
        "use_dora": False,
    }


def linear_layers(model: Path) -> list[str]:
    """Names of a BERT's linear layers."""
    names = load_file(model / "model.safetensors")
    kept = [name.removesuffix(".weight") for name, weight in names.items() if weight.ndim == 2]
    return sorted(name for name in kept if "embeddings" not in name)
