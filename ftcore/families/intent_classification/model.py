"""The torch part of the family `intent_classification`: a classifier that rows of no intent teach nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ftcore.errors import ModelError
from ftcore.families.intent_classification.reader import outside
from ftcore.families.intent_classification.spec import IntentClassificationSpec
from ftcore.families.model import Features
from ftcore.families.sequence_classification.model import LabelModel
from ftcore.modeling.base_model import BaseModel
from ftcore_runtime.encoding import TextEncoder

#: The target of a row that has no intent: it weighs nothing, so any would do.
_ANY = 0


class IntentModel(LabelModel):
    """Encoder with a logit for each intent."""

    spec: IntentClassificationSpec
    answers_with_pooled = True

    @property
    def encoding_key(self) -> Mapping[str, Any]:
        """The labels, and which of them is none."""
        return {**super().encoding_key, "out_of_scope": self.spec.data.out_of_scope}

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """As of labels; rows of no intent weigh nothing."""
        made = super().encode(rows, encoder)
        weight = np.where(outside(rows, self.spec).to_numpy()[made.row], 0.0, made.fixed["weight"]).astype(
            np.float32
        )
        return replace(made, fixed={**made.fixed, "weight": weight})

    @property
    def needs_unseen_rows(self) -> bool:
        """For a threshold of distances, which are in this model's space."""
        return self.spec.needs_space

    def build(self, base: BaseModel) -> torch.nn.Module:
        """As of labels.

        Raises:
            ModelError: texts are to be rejected by distances, and the head is the architecture's own.
        """
        if self.spec.needs_space and self.pooling(base) == "architecture":
            raise ModelError(
                f"`rejection.method: {self.spec.rejection.method}` reads pooled states, and this base model has a head"
                " of its own",
                where="rejection.method",
                hint="give `model.pooling`: mean, first_token, max or last_token",
            )
        return super().build(base)

    def _targets(self, label: pa.ChunkedArray) -> np.ndarray:
        index = {name: place for place, name in enumerate(self.labels)}
        return np.asarray([index.get(name, _ANY) for name in label.to_pylist()], dtype=np.int64)
