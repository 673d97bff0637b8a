"""Rows of the family `intent_classification`: texts and intents; rows of no intent teach nothing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.errors import RowError
from ftcore.families.intent_classification.spec import IntentClassificationSpec
from ftcore.families.sequence_classification.reader import FittedLabels, LabelReader
from ftcore_runtime.scope import SPACES, Space


@dataclass(frozen=True)
class FittedIntents(FittedLabels):
    """What the training rows teach, and how validation rows say that others are rejected.

    Args:
        method: what tells texts of intents from others.
        threshold: below which a text has none; None before validation rows have chosen it.
        chosen_on: what chose the method, in words.
        quality: method -> area under the ROC curve that it was chosen by; empty where the spec names it.
        spaces: method -> what it needs, of the methods of distances; once one is chosen, of that alone.
    """

    method: str = "probability"
    threshold: float | None = None
    chosen_on: str = ""
    quality: Mapping[str, float] = field(default_factory=dict)
    spaces: Mapping[str, Space] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """As `IntentReader.restore` reads it."""
        spaces = {name: space.to_json() for name, space in self.spaces.items()}
        return {**asdict(replace(self, spaces={})), "spaces": spaces}


class IntentReader(LabelReader):
    """Reads texts with an intent, or with the label that says that they have none."""

    spec: IntentClassificationSpec

    def fit(self, train: pa.Table) -> FittedIntents:
        """Intents, sorted or as given, rows of each, and class weights."""
        learnt = super().fit(train.filter(pc.invert(outside(train, self.spec))))
        return FittedIntents(learnt.labels, learnt.counts, learnt.class_weights)

    def restore(self, value: Mapping[str, Any]) -> FittedIntents:
        """What `to_json` wrote."""
        kept = super().restore(value)
        return FittedIntents(
            kept.labels,
            kept.counts,
            kept.class_weights,
            method=value.get("method", "probability"),
            threshold=value.get("threshold"),
            chosen_on=value.get("chosen_on", ""),
            quality=value.get("quality", {}),
            spaces={
                name: SPACES[name].from_json(one, f"spaces.{name}")
                for name, one in value.get("spaces", {}).items()
            },
        )

    def check(self, table: pa.Table, fitted: FittedLabels) -> tuple[int, RowError] | None:
        """The first row with a label that is neither an intent nor the one of none."""
        inside = np.flatnonzero(~outside(table, self.spec).to_numpy())
        found = super().check(table.take(pa.array(inside)), fitted)
        return None if found is None else (int(inside[found[0]]), found[1])


def outside(rows: pa.Table, spec: IntentClassificationSpec) -> pa.ChunkedArray:
    """Which rows belong to none of the intents, bool [rows]."""
    return pc.equal(rows["label"], spec.data.out_of_scope)
