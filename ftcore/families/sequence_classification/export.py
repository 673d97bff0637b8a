"""The graph of the family `sequence_classification`."""

from __future__ import annotations

import torch

from ftcore.families.encoder_graph import encoder_graph
from ftcore.families.export import Exporter
from ftcore_export.graph import Graph
from ftcore_runtime.encoding import TextEncoder


class LabelExporter(Exporter):
    """Token ids to logits."""

    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """One graph, `model`: token ids to what the decoder reads (logits); any batch, any length."""
        return [encoder_graph(model, encoder, self.outputs)]

    @property
    def outputs(self) -> list[str]:
        """Names of the graph's outputs."""
        return ["logits"]
