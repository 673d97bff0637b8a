"""The graphs of the family `text_generation`, and how they are compared with torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from ftcore.families.export import Comparison, Exporter, Responses
from ftcore.families.model import Stored
from ftcore.families.text_generation.graphs import decoder_graphs, encoder_decoder_graphs
from ftcore.families.text_generation.model import TextModel
from ftcore.families.text_generation.parity import token_by_token
from ftcore_export.graph import Graph
from ftcore_runtime.encoding import TextEncoder


class TextExporter(Exporter):
    """Tokens and caches to logits."""

    family: TextModel

    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """Encoder and decoder, or the decoder alone; the decoder's one graph serves the first and all later steps."""
        return encoder_decoder_graphs(model) if self.family.has_encoder else decoder_graphs(model)

    def comparison(
        self, model: torch.nn.Module, features: Stored, reference: Responses, ids: Sequence[Any]
    ) -> Comparison:
        """Token by token, with torch at hand to tell a tie."""
        return token_by_token(self.family, model, features, reference, ids)
