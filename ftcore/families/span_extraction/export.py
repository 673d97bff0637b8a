"""The graph of the family `span_extraction`."""

from __future__ import annotations

import torch

from ftcore.families.encoder_graph import encoder_graph
from ftcore.families.export import Exporter
from ftcore_export.graph import Graph
from ftcore_runtime.decoders.span_extraction import SpanExtractionDecoder
from ftcore_runtime.encoding import TextEncoder


class SpanExporter(Exporter):
    """Token ids to start and end logits."""

    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """One graph, `model`: token ids to start and end logits; any batch, any length."""
        return [encoder_graph(model, encoder, SpanExtractionDecoder.outputs)]
