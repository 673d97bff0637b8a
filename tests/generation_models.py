"""Tiny random models that write, one of each architecture that is supported."""

from __future__ import annotations

from typing import Any

VOCABULARY = 99
ENCODER_DECODERS = ("bart", "m2m_100", "marian", "mbart", "pegasus", "t5", "t5-gated", "bert2bert")
DECODERS = ("gpt2", "llama", "qwen2", "qwen3")


def tiny_writer(kind: str) -> Any:
    """A model with random weights, in eval mode; pad 1 and end 2, as its config says."""
    import torch
    import transformers

    torch.manual_seed(0)
    ids = {"vocab_size": VOCABULARY, "pad_token_id": 1, "eos_token_id": 2, "bos_token_id": 0}
    if kind.startswith("t5"):
        config = transformers.T5Config(
            **ids,
            d_model=32,
            d_kv=8,
            d_ff=48,
            num_layers=2,
            num_heads=4,
            decoder_start_token_id=1,
            feed_forward_proj="gated-gelu" if kind == "t5-gated" else "relu",
        )
        model = transformers.T5ForConditionalGeneration(config)
    elif kind == "bert2bert":
        sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48}
        config = transformers.BertConfig(**ids, **sizes, max_position_embeddings=64)
        decoder = transformers.BertConfig(
            **ids, **sizes, max_position_embeddings=64, is_decoder=True, add_cross_attention=True
        )
        model = transformers.EncoderDecoderModel(
            encoder=transformers.BertModel(config), decoder=transformers.BertLMHeadModel(decoder)
        )
        model.config.update({"decoder_start_token_id": 2, "pad_token_id": 1, "eos_token_id": 2})
    elif kind == "gpt2":
        config = transformers.GPT2Config(**ids, n_embd=32, n_layer=2, n_head=4, n_positions=64)
        model = transformers.GPT2LMHeadModel(config)
    elif kind in DECODERS:
        config = transformers.AutoConfig.for_model(
            kind,
            **ids,
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=64,
            head_dim=8,
        )
        model = transformers.AutoModelForCausalLM.from_config(config)
    else:
        both = {"layers": 2, "attention_heads": 4, "ffn_dim": 48}
        sizes = {f"{side}_{name}": value for side in ("encoder", "decoder") for name, value in both.items()}
        config = transformers.AutoConfig.for_model(
            kind,
            **ids,
            **sizes,
            d_model=32,
            max_position_embeddings=64,
            decoder_start_token_id=2,
            decoder_vocab_size=VOCABULARY,
        )
        config.update({"encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0})
        model = transformers.AutoModelForSeq2SeqLM.from_config(config)
    with torch.no_grad():  # far from each other, so that rounding decides nothing
        for parameter in model.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0, 0.3)
    return model.eval()
