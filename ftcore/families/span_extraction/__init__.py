"""The family `span_extraction`: the span of a context that answers a question, or no answer."""

from __future__ import annotations

from ftcore.family import Family

FAMILY = Family(
    name="span_extraction",
    spec=f"{__name__}.spec:SpanExtractionSpec",
    reader=f"{__name__}.reader:SpanReader",
    model=f"{__name__}.model:SpanModel",
    scoring=f"{__name__}.scoring:SpanScoring",
    export=f"{__name__}.export:SpanExporter",
    decoder="span_extraction",
)
