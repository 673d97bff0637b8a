"""Whether a folder can be a base model, by what its files say of themselves: loads neither torch nor weights.

What only the architecture knows (whether the weights are its own) is checked when a run starts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore.errors import ModelError
from ftcore_runtime.encoding import EncoderConfig, TextEncoder
from ftcore_runtime.files import open_regular

#: What is read of a base model.
WANTED = ("*.json", "*.safetensors", "*.txt", "*.model", "*.spm", "*.jinja")
#: Files of which one at least says what a tokenizer's pieces are.
_PIECES = (
    "tokenizer.json",
    "vocab.*",
    "merges.txt",
    "*.model",
    "*.vocab",
    "tekken.json",
    "vocab-*",
    "source.spm",
)
#: The number of a layer in the name of a weight.
LAYER = re.compile(r"\.(?:layers?|block|h|blocks)\.(\d+)\.")
#: Weights with a row for each token.
_EMBEDDINGS = re.compile(r"(?:^|\.)(?:word_embeddings|wte|embed_tokens|shared|tok_embeddings)\.weight$")
_LARGEST_ID = 2**31 - 1
_ANY_CONFIG = EncoderConfig(max_length=512, pad_id=0, pad_side="right", inputs=("input_ids",))
_OTHER_MODEL = "the folder's config.json and its weights are of two models"


def check_base(folder: Path, ref: str) -> None:
    """Check what can be checked of a base model without loading it: configuration, weights' headers, tokenizer.

    Args:
        folder: as `locate` found it; a single GGUF file is left to whoever loads it.
        ref: what the spec calls it, for errors.

    Raises:
        ModelError: it cannot be one.
        BundleError: it has a tokenizer that no bundle could have.
    """
    if folder.is_file() and folder.suffix == ".gguf":
        return
    shapes = check_files(folder, ref)
    config = _json(folder / "config.json", ref)
    _check_config(config, shapes, ref)
    require_tokenizer(folder)
    _check_tokenizer(folder, config, ref)


def check_files(folder: Path, ref: str) -> dict[str, list[int]]:
    """Check that configuration and weights are there, regular files all, and that the weights are what they say.

    Returns:
        name -> shape of every weight.

    Raises:
        ModelError: they are not.
    """
    if not (folder / "config.json").is_file():
        raise _no_model(folder, ref)
    if not any(folder.glob("*.safetensors")):
        raise ModelError(
            "the base model has no *.safetensors weights, and pickled weights are never loaded",
            where=ref,
            hint="save it once with `model.save_pretrained(folder, safe_serialization=True)`",
        )
    for pattern in WANTED:
        for file in folder.glob(pattern):
            try:
                open_regular(file).close()
            except OSError as error:
                raise ModelError(f"{file.name} cannot be read: {error.strerror}", where=ref) from None
    shapes: dict[str, list[int]] = {}
    for file in sorted(folder.glob("*.safetensors")):
        shapes |= _shapes(file, ref)
    return shapes


#: Where NeMo Automodel puts the whole model of a checkpoint, seen from `model/`, the checkpoint and all checkpoints.
_CONSOLIDATED = ("consolidated", "model/consolidated", "LATEST/model/consolidated")


def _no_model(folder: Path, ref: str) -> ModelError:
    """What a folder without config.json is instead, and what to do with it."""
    if any((folder / front / "adapter_config.json").is_file() for front in ("", "model", "LATEST/model")):
        what = "the folder holds an adapter (LoRA), and no model"
        hint = (
            "merge it into its base model once: `PeftModel.from_pretrained(model, folder).merge_and_unload()"
            ".save_pretrained(merged)`; of NeMo's adapters docs/how-to/nemo.md has all lines"
        )
        return ModelError(what, where=ref, hint=hint)
    for inside in _CONSOLIDATED:
        if (folder / inside / "config.json").is_file():
            what, hint = "a checkpoint of NeMo, and not the model in it", f"name {Path(ref) / inside}"
            return ModelError(what, where=ref, hint=hint)
    if any((folder / front / ".hf_metadata").is_dir() for front in ("", "model", "LATEST/model")):
        what = "a checkpoint of NeMo in shards, which only NeMo joins"
        hint = "run its `consolidate.sh`, or set `checkpoint.save_consolidated: true` in the recipe"
        return ModelError(what, where=ref, hint=f"{hint}; then name `model/consolidated`")
    return ModelError(
        "no config.json in the base model's folder", where=ref, hint="name a Hugging Face folder"
    )


def require_tokenizer(folder: Path) -> None:
    """Refuse a folder without a tokenizer, of which transformers would make an empty one.

    Raises:
        ModelError: there is no such file.
    """
    if not any(next(folder.glob(pattern), None) for pattern in _PIECES):
        raise ModelError(
            "the base model's folder has no tokenizer",
            where=str(folder),
            hint="save it there with `tokenizer.save_pretrained(folder)`: tokenizer.json and tokenizer_config.json",
        )


def require_room(tokens: int, rows: object, where: str) -> None:
    """Refuse a tokenizer with ids that the model has no embedding of.

    Args:
        tokens: the tokenizer's largest id, and one.
        rows: of the embeddings; nothing is compared with what is no whole number.

    Raises:
        ModelError: it has.
    """
    if isinstance(rows, int) and tokens > rows:
        raise ModelError(
            f"the tokenizer has {tokens:,} tokens, the model's embeddings {rows:,}",
            where=where,
            hint="the tokenizer is another model's; or enlarge the embeddings once, with"
            " `model.resize_token_embeddings(len(tokenizer))`",
        )


def _shapes(file: Path, ref: str) -> dict[str, list[int]]:
    """Shapes by name, of a file whose header fits its size."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="numpy") as weights:
            return {name: weights.get_slice(name).get_shape() for name in weights.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, ValueError) as error:
        what = f"{file.name} does not load: {str(error).partition(chr(10))[0][:200]}"
        hint = "the file is damaged or was cut off: copy or download it again"
        raise ModelError(what, where=ref, hint=hint) from None


def _json(file: Path, ref: str) -> dict[str, Any]:
    """The object in a JSON file of a base model.

    Raises:
        ModelError: it holds none.
    """
    try:
        with open_regular(file) as opened:
            value = json.loads(opened.read().decode())
    except (OSError, ValueError, RecursionError) as error:
        what = getattr(error, "strerror", None) or str(error)[:120] or type(error).__name__
        raise ModelError(f"{file.name} cannot be read: {what}", where=ref) from None
    if not isinstance(value, dict):
        raise ModelError(f"{file.name} holds no JSON object", where=ref)
    return value


def _check_config(config: Mapping[str, Any], shapes: Mapping[str, list[int]], ref: str) -> None:
    if not isinstance(config.get("model_type"), str):
        raise ModelError("config.json has no `model_type`", where=ref, hint="name a Hugging Face folder")
    for key, value in config.items():
        for one in value if isinstance(value, list) else [value]:
            if key.endswith("_token_id") and isinstance(one, int) and not -1 <= one <= _LARGEST_ID:
                raise ModelError(f"config.json: `{key}` {_brief(one)} is no id of a token", where=ref)
    rows, pad = config.get("vocab_size"), config.get("pad_token_id")
    if isinstance(rows, int) and isinstance(pad, int) and pad >= rows:
        raise ModelError(
            f"config.json: `pad_token_id` {pad} is beyond the {rows:,} tokens of `vocab_size`", where=ref
        )
    for name, shape in shapes.items():
        if _EMBEDDINGS.search(name) and isinstance(rows, int) and len(shape) == 2 and shape[0] != rows:
            raise ModelError(
                f"config.json says `vocab_size` {_brief(rows)}, and {name} has {shape[0]:,} rows",
                where=ref,
                hint=_OTHER_MODEL,
            )
    layers = config.get("num_hidden_layers")
    numbers = {int(found[1]) for name in shapes if (found := LAYER.search(name))}
    if (
        isinstance(layers, int)
        and numbers
        and not config.get("is_encoder_decoder")
        and max(numbers) + 1 < layers
    ):
        raise ModelError(
            f"config.json says {_brief(layers)} layers, and the file has {max(numbers) + 1}",
            where=ref,
            hint=_OTHER_MODEL,
        )


def _check_tokenizer(folder: Path, config: Mapping[str, Any], ref: str) -> None:
    """Of a tokenizer in tokenizer.json, which a bundle has to take too; others are made when a run starts."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            _json(folder / name, ref)
    if not (file := folder / "tokenizer.json").exists():
        return
    with open_regular(file) as opened:
        encoder = TextEncoder.from_bytes(opened.read(), _ANY_CONFIG, f"{ref}: {file.name}")
    ids = set(encoder.tokenizer.get_vocab().values())
    added = encoder.tokenizer.get_added_tokens_decoder()
    require_room(max(ids, default=-1) + 1, config.get("vocab_size"), ref)
    if ids <= {index for index, token in added.items() if token.special}:
        raise ModelError("the tokenizer has special tokens and no others", where=ref)


def _brief(number: int) -> str:
    return f"{number:,}" if abs(number) < 10**15 else "of many digits"
