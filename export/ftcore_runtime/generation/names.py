"""What those who write a decoder's graph and those who run it agree on: names of caches, and what hides a token."""

from __future__ import annotations

#: Added to an attention score, it leaves a share of exactly 0; float16 holds it, too.
HIDDEN = -3.0e4


def cache_names(kind: str, layers: int) -> list[str]:
    """`past_0_key`, `past_0_value`, `past_1_key`, ... for the kinds past, present and cross."""
    return [f"{kind}_{layer}_{part}" for layer in range(layers) for part in ("key", "value")]
