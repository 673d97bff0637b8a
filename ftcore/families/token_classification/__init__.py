"""The family `token_classification`: the entities of a text, each a span of its characters with a label."""

from __future__ import annotations

from ftcore.family import Family

FAMILY = Family(
    name="token_classification",
    spec=f"{__name__}.spec:TokenClassificationSpec",
    reader=f"{__name__}.reader:EntityReader",
    model=f"{__name__}.model:EntityModel",
    scoring=f"{__name__}.scoring:EntityScoring",
    export=f"{__name__}.export:EntityExporter",
    decoder="token_classification",
)
