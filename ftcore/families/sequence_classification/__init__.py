"""The family `sequence_classification`: one label, several labels or a number for a text or a pair of texts."""

from __future__ import annotations

from ftcore.family import Family

FAMILY = Family(
    name="sequence_classification",
    spec=f"{__name__}.spec:SequenceClassificationSpec",
    reader=f"{__name__}.reader:LabelReader",
    model=f"{__name__}.model:LabelModel",
    scoring=f"{__name__}.scoring:LabelScoring",
    export=f"{__name__}.export:LabelExporter",
    decoder="sequence_classification",
)
