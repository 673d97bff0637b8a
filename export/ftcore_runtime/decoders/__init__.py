"""From a graph's outputs to answers: one decoder a family, the same for evaluation and for serving."""

from __future__ import annotations

from ftcore_runtime.decoders.base import Decoder, Prepared
from ftcore_runtime.decoders.registry import Provider, make_decoder, provider_of

__all__ = ["Decoder", "Prepared", "Provider", "make_decoder", "provider_of"]
