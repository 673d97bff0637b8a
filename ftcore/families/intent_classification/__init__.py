"""The family `intent_classification`: the intent of a text, or that it has none of those that are known."""

from __future__ import annotations

from ftcore.family import Family

FAMILY = Family(
    name="intent_classification",
    spec=f"{__name__}.spec:IntentClassificationSpec",
    reader=f"{__name__}.reader:IntentReader",
    model=f"{__name__}.model:IntentModel",
    scoring=f"{__name__}.scoring:IntentScoring",
    export=f"{__name__}.export:IntentExporter",
    decoder="intent_classification",
)
