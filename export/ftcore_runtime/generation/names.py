"""Names of the decoder graph's caches, for those who write graphs and those who run them."""

from __future__ import annotations


def cache_names(kind: str, layers: int) -> list[str]:
    """`past_0_key`, `past_0_value`, `past_1_key`, ... for the kinds past, present and cross."""
    return [f"{kind}_{layer}_{part}" for layer in range(layers) for part in ("key", "value")]
