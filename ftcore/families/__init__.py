"""Families by name. A family's module is imported when a task of it runs."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from ftcore.families.base import Family

_FAMILIES = {
    "sequence_classification": "SequenceClassification",
    "span_extraction": "SpanExtraction",
    "text_generation": "TextGeneration",
}


def make_family(spec: Any) -> Family[Any]:  # noqa: ANN401 (a spec of any family)
    """The family of a spec, ready for its rows."""
    name = type(spec).family
    family: Family[Any] = getattr(import_module(f"ftcore.families.{name}.model"), _FAMILIES[name])(spec)
    return family
