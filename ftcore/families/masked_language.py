"""What pre-training on texts trains: an encoder that tells hidden tokens from those around them (Devlin et al. 2019).

It is no family of tasks: nothing is answered or exported. Its trunk becomes the base model of one.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from torch.nn import functional as F
from transformers.modeling_outputs import BaseModelOutput

from ftcore.errors import ModelError
from ftcore.families.model import IGNORED, Batch, Features, Model, Outputs, Stored
from ftcore.families.plans import length_plan
from ftcore.modeling.base_model import BaseModel, load_weights
from ftcore.modeling.heads import has_head
from ftcore.modeling.layers import trunk_of
from ftcore_runtime.encoding import TextEncoder

SCHEMA = pa.schema([("text", pa.string())])


class MaskedLanguage(Model[Any, Any]):
    """An encoder with the head that its architecture tells hidden tokens with; the head is new if the base has none."""

    @property
    def encoding_key(self) -> Mapping[str, Any]:
        """Nothing but the texts."""
        return {}

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Tokens of the texts of `SCHEMA`, cut at the longest that the model reads."""
        encoded = encoder.encode(rows["text"].to_pylist())
        row = np.arange(rows.num_rows, dtype=np.int64)
        return Features(encoded.ragged, {}, row, {"cut": encoded.truncated.astype(np.int8)})

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Lengths, and texts cut."""
        cut = int(features.column("cut").sum())
        return length_plan(rows.num_rows, features, cut, features.encoder.config.max_length)

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with that head, float32, on the CPU.

        Raises:
            ModelError: it is no encoder that tells hidden tokens, or has a head that would read other states after it.
        """
        kind, where = type(base.config), "training.pretrain"
        if kind not in transformers.AutoModelForMaskedLM._model_mapping or base.config.is_encoder_decoder:
            raise ModelError(
                f"a {base.config.model_type} does not tell hidden tokens",
                where=where,
                hint="take an encoder as `model.base` (BERT, RoBERTa, ModernBERT, ...), or leave `pretrain` out",
            )
        if has_head(base.config):
            raise ModelError(
                "the base model has a head of its own, which would no longer fit what it reads",
                where=where,
                hint="take the base model that it was fine-tuned from, or leave `pretrain` out",
            )
        return load_weights(transformers.AutoModelForMaskedLM, base, copy.deepcopy(base.config))

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """The logits of the hidden tokens alone, float32 [hidden, vocabulary]: most of a step would be the others'."""
        read = {name: value for name, value in batch.items() if name != "labels"}
        with _reads_only(trunk_of(model), batch["labels"] != IGNORED):
            logits: torch.Tensor = model(**read).logits
        return {"logits": logits[0].float()}

    def loss(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """Cross entropy, summed over the hidden tokens."""
        labels = batch["labels"]
        return F.cross_entropy(outputs["logits"], labels[labels != IGNORED], reduction="sum")

    def weight(self, batch: Batch) -> torch.Tensor:
        """The hidden tokens."""
        return (batch["labels"] != IGNORED).sum()


@contextmanager
def _reads_only(trunk: torch.nn.Module, tokens: torch.Tensor) -> Iterator[None]:
    """What stands above the trunk reads these tokens (bool [texts, width]) as if they were one text."""

    def chosen(module: Any, inputs: Any, outputs: Any) -> BaseModelOutput:  # noqa: ANN401 (as torch calls it)
        return BaseModelOutput(last_hidden_state=outputs[0][tokens][None])

    handle = trunk.register_forward_hook(chosen)
    try:
        yield
    finally:
        handle.remove()
