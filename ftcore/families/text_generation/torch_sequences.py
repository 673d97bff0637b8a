"""A torch model as the runtime's searches see it: evaluation decodes with the code that serves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from transformers import DynamicCache, EncoderDecoderCache

from ftcore.modeling.device import device_of
from ftcore_runtime.generation.model import Floats, Ids, is_every_row


class TorchEncoderDecoder:
    """An encoder-decoder, wherever its weights are; see `SequenceModel`."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (a PreTrainedModel)
        self.model = model
        self.device = device_of(model)

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Run the encoder, and the decoder on the prompt."""
        ids, self._mask = (_on(inputs[name], self.device) for name in ("input_ids", "attention_mask"))
        encoder = self.model.get_encoder()
        self._encoded = encoder(input_ids=ids, attention_mask=self._mask).last_hidden_state
        self._cache = EncoderDecoderCache(DynamicCache(), DynamicCache())
        return self._decode(_on(prompt, self.device))

    def step(self, tokens: Ids) -> Floats:
        """One token more."""
        return self._decode(_on(tokens[:, None], self.device))

    def select(self, rows: Ids) -> None:
        """Rearrange cache and source."""
        if not is_every_row(rows, len(self._mask)):
            chosen = _on(rows, self.device)
            self._cache.reorder_cache(chosen)
            self._encoded, self._mask = self._encoded[chosen], self._mask[chosen]

    def _decode(self, ids: torch.Tensor) -> Floats:
        made = self.model(
            encoder_outputs=(self._encoded,),
            attention_mask=self._mask,
            decoder_input_ids=ids,
            past_key_values=self._cache,
            use_cache=True,
        )
        return _last(made.logits)


class TorchDecoder:
    """A decoder alone; prompts are filled up at the left."""

    def __init__(self, model: Any) -> None:  # noqa: ANN401 (a PreTrainedModel)
        self.model = model
        self.device = device_of(model)

    def start(self, inputs: Mapping[str, Ids], prompt: Ids) -> Floats:
        """Run the prompt."""
        self._mask = _on(inputs["attention_mask"], self.device)
        self._cache = DynamicCache()
        return self._decode(_on(prompt, self.device), positions(self._mask))

    def step(self, tokens: Ids) -> Floats:
        """One token more."""
        self._mask = torch.cat([self._mask, torch.ones_like(self._mask[:, :1])], dim=1)
        return self._decode(_on(tokens[:, None], self.device), self._mask.sum(dim=1, keepdim=True) - 1)

    def select(self, rows: Ids) -> None:
        """Rearrange the cache."""
        if not is_every_row(rows, len(self._mask)):
            chosen = _on(rows, self.device)
            self._cache.reorder_cache(chosen)
            self._mask = self._mask[chosen]

    def _decode(self, ids: torch.Tensor, positions: torch.Tensor) -> Floats:
        made = self.model(
            input_ids=ids,
            attention_mask=self._mask,
            position_ids=positions,
            past_key_values=self._cache,
            use_cache=True,
            logits_to_keep=1,
        )
        return _last(made.logits)


def positions(mask: torch.Tensor) -> torch.Tensor:
    """Position of each token among the real ones of its row, int64 [rows, tokens]; 0 on padding."""
    return (mask.long().cumsum(dim=1) - 1).clamp(min=0)


def _on(array: Ids, device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)


def _last(logits: torch.Tensor) -> Floats:
    last: Floats = logits[:, -1].float().cpu().numpy()
    return last
