"""What is exported of models that write: an encoder, and one decoder graph with its cache for every step.

Names of caches are `past_0_key`, `past_0_value`, ...: [rows, heads, tokens so far, width]; none so far is allowed;
the decoder gives them back, longer, as `present_...`. Keys and values of the source, `cross_...`, come from the
encoder's graph once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import DynamicCache, EncoderDecoderCache

from ftcore_export.graph import Graph
from ftcore_runtime.generation.names import cache_names

_ROWS, _SOURCE, _TOKENS, _PAST = 2, 5, 3, 4  # sizes of the examples that are traced, each of its own


def encoder_decoder_graphs(model: torch.nn.Module) -> list[Graph]:
    """`encoder` (sources to their keys and values in every layer) and `decoder` (tokens and caches to logits)."""
    whole: Any = model
    whole.set_attn_implementation("eager")  # T5's attention has no other form that exports
    ids = torch.ones((_ROWS, _SOURCE), dtype=torch.long)
    source = {"input_ids": ids, "attention_mask": ids.clone()}  # one tensor would be taken for one input
    encoder = _Encoder(whole).eval()
    with torch.no_grad():
        cross = encoder(**source)
        past = _Decoder.new_cache(whole, ids, _PAST)
    layers = len(cross) // 2
    by_source = {0: "rows", 1: "source"}
    crosses, pasts, presents = (cache_names(kind, layers) for kind in ("cross", "past", "present"))
    example = {
        "input_ids": torch.ones((_ROWS, _TOKENS), dtype=torch.long),
        "attention_mask": ids,
        **dict(zip(crosses, cross, strict=True)),
        **dict(zip(pasts, past, strict=True)),
    }
    dynamic = {
        "input_ids": {0: "rows", 1: "tokens"},
        "attention_mask": by_source,
        **{name: {0: "rows", 2: "source"} for name in crosses},
        **{name: {0: "rows", 2: "past"} for name in pasts},
    }
    return [
        Graph("encoder", encoder, source, crosses, dict.fromkeys(source, by_source)),
        Graph("decoder", _Decoder(whole, layers).eval(), example, ["logits", *presents], dynamic),
    ]


def decoder_graphs(model: torch.nn.Module) -> list[Graph]:
    """`decoder` alone; `places` says of which tokens logits are wanted, so that a prompt costs one row of them."""
    whole: Any = model
    whole.set_attn_implementation("eager")
    ids = torch.ones((_ROWS, _PAST), dtype=torch.long)
    cache = DynamicCache()
    with torch.no_grad():
        whole(input_ids=ids, past_key_values=cache, use_cache=True)
    past = _flat(cache)
    pasts, presents = (cache_names(kind, len(past) // 2) for kind in ("past", "present"))
    tokens = torch.ones((_ROWS, _TOKENS), dtype=torch.long)
    example = {
        "input_ids": tokens,
        "attention_mask": torch.ones((_ROWS, _PAST + _TOKENS), dtype=torch.long),
        "position_ids": torch.arange(_PAST, _PAST + _TOKENS).expand(_ROWS, -1).contiguous(),
        "places": torch.arange(2),
        **dict(zip(pasts, past, strict=True)),
    }
    by_token = {0: "rows", 1: "tokens"}
    dynamic = {
        "input_ids": by_token,
        "attention_mask": {0: "rows", 1: "all_tokens"},
        "position_ids": by_token,
        "places": {0: "places"},
        **{name: {0: "rows", 2: "past"} for name in pasts},
    }
    return [Graph("decoder", _DecoderAlone(whole).eval(), example, ["logits", *presents], dynamic)]


class _Encoder(torch.nn.Module):
    """Source ids to the keys and values that each decoder layer makes of them."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (a PreTrainedModel)
        super().__init__()
        self.model = model

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> tuple[torch.Tensor, ...]:
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        self.model(
            input_ids=input_ids,
            attention_mask=_bias(attention_mask[:, None, None, :] == 0),
            decoder_input_ids=input_ids[:, :1],
            past_key_values=cache,
            use_cache=True,
        )
        return tuple(_flat(cache.cross_attention_cache))


class _Decoder(torch.nn.Module):
    """Tokens, with the caches so far, to logits and longer caches."""

    def __init__(self, model: Any, layers: int) -> None:  # noqa: ANN401 (a PreTrainedModel)
        super().__init__()
        self.model = model
        self.layers = layers

    @staticmethod
    def new_cache(model: Any, source: torch.Tensor, tokens: int) -> list[torch.Tensor]:  # noqa: ANN401
        """Keys and values of some tokens, for the example."""
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        ids = source.new_ones((len(source), tokens))
        model(input_ids=source, decoder_input_ids=ids, past_key_values=cache, use_cache=True)
        return _flat(cache.self_attention_cache)

    def forward(
        self, input_ids: torch.Tensor, attention_mask: torch.Tensor, *caches: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        half = 2 * self.layers
        cache = EncoderDecoderCache(_cache(caches[half:]), _cache(caches[:half]))
        cache.is_updated = dict.fromkeys(range(self.layers), True)  # the source is not read again
        decoder = self.model.config.get_text_config(decoder=True)  # of two warm-started ones, the second's
        width = getattr(decoder, "d_model", None) or decoder.hidden_size
        nothing = torch.zeros((*attention_mask.shape, width))
        past, tokens = caches[half].shape[2], input_ids.shape[1]
        made = self.model(
            encoder_outputs=(nothing,),
            attention_mask=_bias(attention_mask[:, None, None, :] == 0),
            decoder_input_ids=input_ids,
            decoder_attention_mask=_bias(_later(past, tokens)),
            past_key_values=cache,
            use_cache=True,
        )
        return (made.logits, *_flat(cache.self_attention_cache))


class _DecoderAlone(torch.nn.Module):
    """The same without a source."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (a PreTrainedModel)
        super().__init__()
        self.model = model

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor,
        position_ids: torch.Tensor,
        places: torch.Tensor,
        *caches: torch.Tensor,
    ) -> tuple[torch.Tensor, ...]:
        cache = _cache(caches)
        made = self.model(
            input_ids=input_ids,
            attention_mask=attention_mask,
            position_ids=position_ids,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=places,
        )
        return (made.logits, *_flat(cache))


def _later(past: int, tokens: int) -> torch.Tensor:
    """Which keys lie after each of `tokens` queries, bool [1, 1, tokens, past + tokens]."""
    positions = torch.arange(past + tokens)
    return (positions > positions[past:, None])[None, None]


def _bias(hidden: torch.Tensor) -> torch.Tensor:
    """What is added to attention scores, ready made: the models' own way to it takes thirty operators a step."""
    return hidden * torch.finfo(torch.float32).min


def _cache(tensors: Sequence[torch.Tensor]) -> DynamicCache:
    """A cache of keys and values that alternate."""
    cache = DynamicCache()
    for layer in range(len(tensors) // 2):
        cache.update(tensors[2 * layer], tensors[2 * layer + 1], layer)
    return cache


def _flat(cache: DynamicCache) -> list[torch.Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
