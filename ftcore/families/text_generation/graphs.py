"""What is exported of models that write: an encoder, and one decoder graph with its cache for every step.

Names of caches are `past_0_key`, `past_0_value`, ...: [rows, heads, tokens so far, width]; none so far is allowed;
the decoder gives them back, longer, as `present_...`. Keys and values of the source, `cross_...`, come from the
encoder's graph once.

What a decoder with a source must not look at comes as a number to add to attention scores, `source_bias` [rows, 1, 1,
source] and `target_bias` [rows, 1, tokens, tokens so far and new], and where its tokens stand as `position_ids` [rows,
tokens]: rows of different ages share a batch then, and a step has some fifteen operators fewer. Where a model's
positions cannot be given, `target_bias` has one row for all, and there are no `position_ids`.
"""

from __future__ import annotations

import inspect
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Literal

import torch
from torch.nn import functional as F
from transformers import DynamicCache, EncoderDecoderCache

from ftcore_export.graph import Graph
from ftcore_runtime.generation.names import HIDDEN, cache_names

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
    by_source = {0: "rows", 1: "source"}
    crosses, pasts, presents = (cache_names(kind, len(cross) // 2) for kind in ("cross", "past", "present"))
    decoder = _Decoder(whole, len(cross) // 2).eval()
    tokens = torch.ones((_ROWS, _TOKENS), dtype=torch.long)
    later = torch.ones((1, 1, _TOKENS, _PAST + _TOKENS)).triu(_PAST + 1)
    each: dict[int, str] = {0: "rows"} if decoder.positions else {}
    placed = decoder.positions in ("table", "argument")
    example = {
        "input_ids": tokens,
        **({"position_ids": _PAST + torch.arange(_TOKENS) * tokens} if placed else {}),
        "source_bias": torch.zeros((_ROWS, 1, 1, _SOURCE)),
        "target_bias": HIDDEN * later.repeat(_ROWS if each else 1, 1, 1, 1),
        **dict(zip(crosses, cross, strict=True)),
        **dict(zip(pasts, past, strict=True)),
    }
    by_token = {0: "rows", 1: "tokens"}
    dynamic = {
        "input_ids": by_token,
        **({"position_ids": by_token} if placed else {}),
        "source_bias": {0: "rows", 3: "source"},
        "target_bias": {**each, 2: "tokens", 3: "all_tokens"},
        **{name: {0: "rows", 2: "source"} for name in crosses},
        **{name: {0: "rows", 2: "past"} for name in pasts},
    }
    return [
        Graph("encoder", encoder, source, crosses, dict.fromkeys(source, by_source)),
        Graph("decoder", decoder, example, ["logits", *presents], dynamic),
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
            attention_mask=(attention_mask[:, None, None, :] == 0)
            * HIDDEN,  # their own way takes thirty operators
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
        self.positions = _positions(model)

    @staticmethod
    def new_cache(model: Any, source: torch.Tensor, tokens: int) -> list[torch.Tensor]:  # noqa: ANN401
        """Keys and values of some tokens, for the example."""
        cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        ids = source.new_ones((len(source), tokens))
        model(input_ids=source, decoder_input_ids=ids, past_key_values=cache, use_cache=True)
        return _flat(cache.self_attention_cache)

    def forward(self, input_ids: torch.Tensor, *rest: torch.Tensor) -> tuple[torch.Tensor, ...]:
        *places, source_bias, target_bias = rest[: -4 * self.layers]
        crosses, pasts = rest[-4 * self.layers : -2 * self.layers], rest[-2 * self.layers :]
        cache = EncoderDecoderCache(_cache(pasts), _cache(crosses))
        cache.is_updated = dict.fromkeys(range(self.layers), True)  # the source is not read again
        decoder = self.model.config.get_text_config(decoder=True)  # of two warm-started ones, the second's
        width = getattr(decoder, "d_model", None) or decoder.hidden_size
        nothing = torch.zeros((source_bias.shape[0], source_bias.shape[3], width))
        by_table = self.positions == "table"
        with _placed(self.model.get_decoder().embed_positions, places[0]) if by_table else nullcontext():
            made = self.model(
                encoder_outputs=(nothing,),
                attention_mask=source_bias,
                decoder_input_ids=input_ids,
                decoder_attention_mask=target_bias,
                past_key_values=cache,
                use_cache=True,
                **({"decoder_position_ids": places[0]} if self.positions == "argument" else {}),
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


def _positions(model: Any) -> Literal["argument", "table", "relative"] | None:  # noqa: ANN401 (a PreTrainedModel)
    """How positions reach a decoder: as an argument, by its table of them, or it sees relative ones alone."""
    decoder = model.get_decoder()
    if "position_ids" in inspect.signature(decoder.forward).parameters:
        return "argument"
    if hasattr(decoder, "embed_positions"):
        return "table" if _table(decoder.embed_positions) else None
    relative = any(hasattr(part, "relative_attention_bias") for part in decoder.modules())
    return "relative" if relative else None


def _table(embed: Any) -> tuple[torch.Tensor, int] | None:  # noqa: ANN401 (a module of transformers)
    """A model's embeddings of positions, [positions, width], and the row of the first one."""
    if isinstance(embed, torch.nn.Embedding):
        return embed.weight, getattr(embed, "offset", 0)
    if isinstance(getattr(embed, "weights", None), torch.Tensor):  # sinusoids of M2M100 and those after it
        return embed.weights, embed.padding_idx + 1
    return None


@contextmanager
def _placed(embed: Any, position_ids: torch.Tensor) -> Iterator[None]:  # noqa: ANN401 (a module of transformers)
    """Embeddings of these positions, whatever the decoder counts itself."""
    found = _table(embed)
    assert found
    made = F.embedding(position_ids + found[1], found[0])
    embed.forward = lambda *_, **__: made
    try:
        yield
    finally:
        del embed.forward


def _cache(tensors: Sequence[torch.Tensor]) -> DynamicCache:
    """A cache of keys and values that alternate."""
    cache = DynamicCache()
    for layer in range(len(tensors) // 2):
        cache.update(tensors[2 * layer], tensors[2 * layer + 1], layer)
    return cache


def _flat(cache: DynamicCache) -> list[torch.Tensor]:
    return [tensor for layer in cache.layers for tensor in (layer.keys, layer.values)]
