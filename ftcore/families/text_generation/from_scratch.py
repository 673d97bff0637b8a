"""A base model without weights: tokenizers trained on the training texts, and a configuration that fits them."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from pathlib import Path
from typing import Any

import transformers
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from ftcore.errors import ModelError
from ftcore.families.text_generation.spec import TextGenerationModel
from ftcore.locate import locate
from ftcore.modeling.base_model import BaseModel, read_config
from ftcore_runtime.encoding import TARGET_TOKENIZER
from ftcore_runtime.publishing import publishing

_SPECIAL = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}


def _sizes(layers: int, width: int, heads: int, inner: int) -> dict[str, int]:
    both = {"layers": layers, "attention_heads": heads, "ffn_dim": inner}
    return {f"{side}_{key}": size for side in ("encoder", "decoder") for key, size in both.items()} | {
        "d_model": width
    }


#: Name -> architecture and its settings. All share one embedding between source, target and output; Marian may not.
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


def make_base(
    model: TextGenerationModel,
    base_dir: Path,
    sources: Iterable[str],
    targets: Iterable[str],
    folder: Path,
) -> BaseModel:
    """Write config.json and tokenizers into `folder`, whole or not at all; what is there already is taken as it is.

    Args:
        sources, targets: of the training split: one tokenizer is trained on both, or one on each.

    Raises:
        ModelError: `model.base` is neither a preset nor a folder with config.json, or has one embedding for sources
            and targets that are to have a vocabulary each.
    """
    if not (folder / "config.json").is_file():
        config, vocabulary = _config(model, base_dir), model.vocabulary
        if vocabulary.joint:
            reads = writes = train_tokenizer(
                chain(sources, targets), vocabulary.size, vocabulary.min_frequency
            )
        else:
            reads = train_tokenizer(sources, vocabulary.size, vocabulary.min_frequency)
            writes = train_tokenizer(targets, vocabulary.size, vocabulary.min_frequency)
            config.update({"share_encoder_decoder_embeddings": False})
        wrapped = transformers.PreTrainedTokenizerFast(
            tokenizer_object=reads, model_input_names=["input_ids", "attention_mask"], **_SPECIAL
        )
        sizes = {"vocab_size": reads.get_vocab_size(), "decoder_vocab_size": writes.get_vocab_size()}
        config.update({**_special_ids(config, reads), **sizes})
        with publishing(folder) as made:
            wrapped.save_pretrained(made)
            if not vocabulary.joint:
                writes.save(str(made / TARGET_TOKENIZER))
            config.save_pretrained(made)
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


def _config(model: TextGenerationModel, base_dir: Path) -> transformers.PretrainedConfig:
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
    if not model.vocabulary.joint and not hasattr(config, "share_encoder_decoder_embeddings"):
        raise ModelError(
            f"a model of the type {config.model_type} has one embedding for sources and targets",
            where="model.vocabulary.joint",
            hint="leave it true, or take marian-small or a folder of the type marian",
        )
    return config


def _special_ids(config: transformers.PretrainedConfig, tokenizer: Tokenizer) -> dict[str, int | None]:
    """Those of every tokenizer that is trained here: special tokens come first in each."""
    ids: dict[str, int | None] = {
        f"{name.removesuffix('_token')}_token_id": tokenizer.token_to_id(token)
        for name, token in _SPECIAL.items()
    }
    ids.pop("unk_token_id")
    if config.is_encoder_decoder:
        ids |= {"decoder_start_token_id": ids["eos_token_id"], "forced_eos_token_id": None}
    return ids
