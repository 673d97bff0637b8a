"""The torch part: an encoder whose last layer gives a logit for each label and, after them, the number."""

from __future__ import annotations

from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import torch
import transformers
from torch.nn import functional as F

from ftcore.api import (
    BaseModel,
    Batch,
    Exporter,
    Features,
    Model,
    Outputs,
    Stored,
    encoder_graph,
    length_plan,
    load_weights,
    with_dropout,
)
from ftcore_label_and_number.reader import Learnt
from ftcore_label_and_number.spec import LabelAndNumberSpec
from ftcore_runtime.api import TextEncoder

_TARGETS = ("label", "number")


class LabelAndNumberModel(Model[LabelAndNumberSpec, Learnt]):
    """Features, loss and outputs: `label_logits` [rows, labels]; `number` [rows, 1] in standard deviations."""

    @property
    def encoding_key(self) -> Mapping[str, Any]:
        """The targets depend on all that was learnt."""
        return self.fitted.to_json()

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Token ids; `label` int64 [rows], `number` float32 [rows]."""
        encoded = encoder.encode(rows["text"].to_pylist())
        labels = [self.fitted.labels.index(label) for label in rows["label"].to_pylist()]
        numbers = (rows["number"].to_numpy() - self.fitted.mean) / self.fitted.scale
        return Features(
            ragged=encoded.ragged,
            fixed={"label": np.array(labels, np.int64), "number": numbers.astype(np.float32)},
            row=np.arange(rows.num_rows, dtype=np.int64),
            extras={"cut": encoded.truncated.astype(np.int8)},
        )

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Lengths, and rows that are cut."""
        return length_plan(
            rows.num_rows, features, int(features.column("cut").sum()), self.spec.model.max_length
        )

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with a last layer of one output for each label and one for the number."""
        config = with_dropout(base.config, self.spec.model.dropout)
        config.id2label = dict(enumerate([*self.fitted.labels, "(number)"]))
        config.label2id = {name: place for place, name in config.id2label.items()}
        return load_weights(transformers.AutoModelForSequenceClassification, base, config)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """Both heads' outputs."""
        inputs = {name: value for name, value in batch.items() if name not in _TARGETS}
        return _heads(model(**inputs).logits.float())

    def loss(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """Cross-entropy of the label, and the squared error of the number times its weight."""
        label = F.cross_entropy(outputs["label_logits"], batch["label"], reduction="sum")
        number = F.mse_loss(outputs["number"].squeeze(-1), batch["number"], reduction="sum")
        return label + self.spec.training.number_weight * number

    def weight(self, batch: Batch) -> torch.Tensor:
        """Rows."""
        return torch.tensor(float(len(batch["label"])), device=batch["label"].device)


class LabelAndNumberExporter(Exporter):
    """One graph with both heads."""

    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Any]:
        """Token ids to `label_logits` and `number`."""
        return [encoder_graph(_TwoHeads(model), encoder, ["label_logits", "number"])]


class _TwoHeads(torch.nn.Module):
    """The model with its outputs by name, as `encoder_graph` reads them."""

    def __init__(self, model: torch.nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, **inputs: torch.Tensor) -> SimpleNamespace:
        return SimpleNamespace(**_heads(self.model(**inputs).logits))


def _heads(logits: torch.Tensor) -> dict[str, torch.Tensor]:
    return {"label_logits": logits[:, :-1], "number": logits[:, -1:]}
