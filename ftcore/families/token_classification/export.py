"""The graph of the family `token_classification`."""

from __future__ import annotations

import torch

from ftcore.families.encoder_graph import encoder_graph
from ftcore.families.export import Exporter
from ftcore_export.graph import Graph
from ftcore_runtime.encoding import TextEncoder


class EntityExporter(Exporter):
    """Token ids to the logits of tags."""

    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """One graph, `model`: token ids to a logit of each tag for each token; any batch, any length."""
        return [encoder_graph(model, encoder, ["logits"])]
