"""The whole public surface for authors of decoders; it imports no torch. Users of bundles import `Pipeline`."""

from __future__ import annotations

from ftcore_runtime.answers import (
    Answer,
    LabelAnswer,
    LabelsAnswer,
    Mark,
    Observation,
    TextAnswer,
    ValueAnswer,
)
from ftcore_runtime.decoders.base import Decoder, OpenGraph, Prepared, Runner
from ftcore_runtime.decoders.registry import make_decoder
from ftcore_runtime.encoding import Encoded, TextEncoder
from ftcore_runtime.errors import BundleError, InputError
from ftcore_runtime.fields import Fields
from ftcore_runtime.inputs import Input, read_columns
from ftcore_runtime.spans import EntitiesAnswer, Entity, SpanAnswer
from ftcore_runtime.tensors import Tensor

__all__ = [
    "Answer",
    "BundleError",
    "Decoder",
    "Encoded",
    "EntitiesAnswer",
    "Entity",
    "Fields",
    "Input",
    "InputError",
    "LabelAnswer",
    "LabelsAnswer",
    "Mark",
    "Observation",
    "OpenGraph",
    "Prepared",
    "Runner",
    "SpanAnswer",
    "Tensor",
    "TextAnswer",
    "TextEncoder",
    "ValueAnswer",
    "make_decoder",
    "read_columns",
]
