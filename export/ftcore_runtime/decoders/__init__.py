"""From a graph's outputs to answers: one decoder a family, the same for evaluation and for serving."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore_runtime.decoders.base import Decoder, Prepared
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder
from ftcore_runtime.decoders.span_extraction import SpanExtractionDecoder
from ftcore_runtime.decoders.text_generation import TextGenerationDecoder
from ftcore_runtime.errors import BundleError

__all__ = ["Decoder", "Prepared", "make_decoder"]

_DECODERS: dict[str, type[Decoder]] = {
    decoder.family: decoder
    for decoder in (SequenceClassificationDecoder, SpanExtractionDecoder, TextGenerationDecoder)
}


def make_decoder(config: Mapping[str, Any], where: str = "decoder") -> Decoder:
    """The decoder that a bundle's `decoder` section describes; `config["family"]` picks it.

    Raises:
        BundleError: an unknown family, or a section that is not what its family says.
    """
    family = config.get("family")
    if not isinstance(family, str) or family not in _DECODERS:
        raise BundleError(
            f"the family {str(family)!r:.60} is unknown",
            where=where,
            hint=f"this ftcore knows {', '.join(sorted(_DECODERS))}; the bundle may need a newer one",
        )
    return _DECODERS[family].from_json(config, where)
