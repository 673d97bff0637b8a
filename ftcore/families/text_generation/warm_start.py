"""Two encoders warm-started into one encoder-decoder (Rothe et al. 2020, BERT2BERT)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
import transformers

from ftcore.errors import ModelError
from ftcore.modeling.base_model import BaseModel, load_weights, open_base, open_tokenizer, read_config
from ftcore_runtime.publishing import publishing


def warm_start(base: str, decoder_base: str, base_dir: Path, folder: Path, seed: int) -> BaseModel:
    """Write an encoder-decoder of two encoders into `folder`, whole or not at all; what is there is taken as it is.

    The second gets a mask that hides what comes later, cross-attention, which is new, and the head of its language
    model, tied to its embeddings.

    Args:
        base, decoder_base: see `open_base`; both have the same vocabulary.
        seed: of the weights that are new.

    Raises:
        ModelError: a base model does not open, their vocabularies differ, or the second cannot be made a decoder.
    """
    if not (folder / "config.json").is_file():
        encoder, decoder = open_base(base, base_dir), open_base(decoder_base, base_dir)
        tokenizer = _tokenizer(encoder, decoder, base, decoder_base)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model = transformers.EncoderDecoderModel(
                encoder=load_weights(transformers.AutoModel, encoder, encoder.config),
                decoder=_as_decoder(decoder, decoder_base),
            )
        model.config.update(
            {
                "decoder_start_token_id": tokenizer.bos_token_id,
                "bos_token_id": tokenizer.bos_token_id,
                "eos_token_id": tokenizer.eos_token_id,
                "pad_token_id": tokenizer.pad_token_id,
            }
        )
        with publishing(folder) as made:
            model.save_pretrained(made)
            tokenizer.save_pretrained(made)
    return BaseModel(folder, read_config(folder / "config.json", base))


def _tokenizer(
    encoder: BaseModel, decoder: BaseModel, base: str, decoder_base: str
) -> transformers.PreTrainedTokenizerFast:
    """The one tokenizer of both, whose sentence marks begin and end an answer."""
    tokenizer: Any = open_tokenizer(encoder)
    if tokenizer.get_vocab() != open_tokenizer(decoder).get_vocab():
        raise ModelError(
            f"its vocabulary is not that of {base!r}, and a text is read and written with one",
            where="model.decoder_base",
            hint="take two models of one tokenizer, or the same model twice",
        )
    tokenizer.bos_token = tokenizer.bos_token or tokenizer.cls_token
    tokenizer.eos_token = tokenizer.eos_token or tokenizer.sep_token
    for name in ("bos_token", "eos_token", "pad_token"):
        if getattr(tokenizer, name) is None:
            raise ModelError(f"the tokenizer has no {name}", where=base)
    return tokenizer


def _as_decoder(base: BaseModel, ref: str) -> torch.nn.Module:
    """An encoder's weights in a language model with cross-attention."""
    config = base.config
    config.update({"is_decoder": True, "add_cross_attention": True})
    if type(config) in transformers.AutoModelForCausalLM._model_mapping:
        model = load_weights(transformers.AutoModelForCausalLM, base, config)
        if any("crossattention" in name for name, _ in model.named_parameters()):
            return model
    raise ModelError(
        f"a model of the type {config.model_type} cannot be made a decoder",
        where="model.decoder_base",
        hint=f"BERT, RoBERTa, XLM-R and ELECTRA can; {ref!r} cannot",
    )
