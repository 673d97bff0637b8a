"""A base model without weights: a tokenizer trained on the training texts, and a configuration that fits it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from ftcore.errors import ModelError
from ftcore.locate import locate
from ftcore.modeling.base_model import BaseModel, read_config
from ftcore.spec.text_generation import TextGenerationModel

_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


def _sizes(layers: int, width: int, heads: int, inner: int) -> dict[str, int]:
    both = {"layers": layers, "attention_heads": heads, "ffn_dim": inner}
    return {f"{side}_{key}": size for side in ("encoder", "decoder") for key, size in both.items()} | {
        "d_model": width
    }


#: Name -> architecture and its settings. All share one embedding between source, target and output.
PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    # Pre-norm, sinusoidal positions; the sizes that papers on Multi30k call Transformer-Tiny (Wu et al. 2021).
    "transformer-tiny": (
        "m2m_100",
        {
            **_sizes(4, 128, 4, 256),
            "dropout": 0.3,
            "attention_dropout": 0.1,
            "activation_dropout": 0.1,
            "encoder_layerdrop": 0.0,
            "decoder_layerdrop": 0.0,
        },
    ),
    # Post-norm and swish, as Marian's models are (Junczys-Dowmunt et al. 2018), 3.9 million weights.
    "marian-small": (
        "marian",
        {
            **_sizes(3, 192, 4, 768),
            "activation_function": "swish",
            "dropout": 0.1,
            "scale_embedding": True,
            "bad_words_ids": None,
            "num_beams": 1,
        },
    ),
}


def make_base(model: TextGenerationModel, base_dir: Path, texts: Iterable[str], folder: Path) -> BaseModel:
    """Write config.json and a tokenizer into `folder`, whole or not at all; what is there already is taken as it is.

    Args:
        texts: of the training split, sources and targets: the tokenizer is trained on them.

    Raises:
        ModelError: `model.base` is neither a preset nor a folder with config.json.
    """
    if not (folder / "config.json").is_file():
        beside = folder.with_name(f".{folder.name}.tmp")
        shutil.rmtree(beside, ignore_errors=True)
        tokenizer = train_tokenizer(texts, model.vocabulary.size, model.vocabulary.min_frequency)
        wrapped = transformers.PreTrainedTokenizerFast(
            tokenizer_object=tokenizer, model_input_names=["input_ids", "attention_mask"], **_SPECIAL
        )
        wrapped.save_pretrained(beside)
        _config(model, base_dir, wrapped).save_pretrained(beside)
        beside.replace(folder)
    return BaseModel(folder, read_config(folder / "config.json", model.base))


def train_tokenizer(texts: Iterable[str], size: int, min_frequency: int) -> Tokenizer:
    """Byte-level BPE (Sennrich et al. 2016; Radford et al. 2019): every text is made of its tokens, in any language."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.normalizer = normalizers.NFC()
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.Sequence([decoders.ByteLevel(), decoders.Strip(" ", 1, 0)])
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        min_frequency=min_frequency,
        special_tokens=list(_SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    end = _SPECIAL["eos_token"]
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {end}", pair=f"$A $B {end}", special_tokens=[(end, tokenizer.token_to_id(end))]
    )
    return tokenizer


def _config(
    model: TextGenerationModel, base_dir: Path, tokenizer: transformers.PreTrainedTokenizerFast
) -> transformers.PretrainedConfig:
    if model.base in PRESETS:
        kind, settings = PRESETS[model.base]
        longest = max(model.max_length, model.max_target_length + 1)
        config = transformers.AutoConfig.for_model(kind, **settings, max_position_embeddings=longest)
    else:
        try:
            config = read_config(locate(model.base, base_dir) / "config.json", model.base)
        except (OSError, ModelError) as error:
            raise ModelError(
                f"{model.base!r} is neither a preset nor a folder with config.json",
                where="model.base",
                hint=f"the presets are {', '.join(PRESETS)}",
            ) from error
    ids = {
        f"{name.removesuffix('_token')}_token_id": tokenizer.convert_tokens_to_ids(token)
        for name, token in _SPECIAL.items()
    }
    ids.pop("unk_token_id")
    config.update({**ids, "vocab_size": len(tokenizer), "decoder_vocab_size": len(tokenizer)})
    if config.is_encoder_decoder:
        config.update({"decoder_start_token_id": ids["eos_token_id"], "forced_eos_token_id": None})
    return config
