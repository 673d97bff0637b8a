"""An encoder with its head as a graph to export: token ids in, tensors out; any batch, any length."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import transformers

from ftcore_export.graph import Graph
from ftcore_runtime.encoding import TextEncoder


def encoder_graph(model: torch.nn.Module, encoder: TextEncoder, outputs: Sequence[str]) -> Graph:
    """The graph `model` of those of a transformers model's `outputs`, by name.

    It has eager attention: that of SDPA is the same numbers from four more operators a layer.
    """
    whole = next(part for part in model.modules() if isinstance(part, transformers.PreTrainedModel))
    whole.set_attn_implementation("eager")
    example = {name: torch.ones((2, 8), dtype=torch.long) for name in encoder.config.inputs}
    if whole.config.is_encoder_decoder:  # its head reads the text at its end mark
        example["input_ids"][:, -1] = whole.config.eos_token_id
    dynamic = {name: {0: "batch", 1: "sequence"} for name in example}
    return Graph("model", _Outputs(model, outputs), example, list(outputs), dynamic)


class _Outputs(torch.nn.Module):
    """A transformers model that returns tensors in place of its output object."""

    def __init__(self, model: torch.nn.Module, names: Sequence[str]) -> None:
        super().__init__()
        self.model = model
        self.names = tuple(names)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        token_type_ids: torch.Tensor | None = None,
    ) -> tuple[torch.Tensor, ...]:
        given = {"input_ids": input_ids, "attention_mask": attention_mask, "token_type_ids": token_type_ids}
        made = self.model(**{name: tensor for name, tensor in given.items() if tensor is not None})
        return tuple(getattr(made, name) for name in self.names)
