"""The family `text_generation`: a text for a text, by an encoder-decoder or by a decoder that goes on from a prompt."""

from __future__ import annotations

from ftcore.family import Family

FAMILY = Family(
    name="text_generation",
    spec=f"{__name__}.spec:TextGenerationSpec",
    reader=f"{__name__}.reader:TextReader",
    model=f"{__name__}.model:TextModel",
    scoring=f"{__name__}.scoring:TextScoring",
    export=f"{__name__}.export:TextExporter",
    decoder="text_generation",
)
