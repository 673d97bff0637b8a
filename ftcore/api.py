"""The whole public surface for plugins: a plugin imports this module and nothing else of ftcore."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator

from ftcore.families.sequence_classification.spec import (
    SequenceClassificationData,
    SequenceClassificationEvaluation,
    SequenceClassificationSpec,
    SequenceClassificationTraining,
)
from ftcore.families.span_extraction.spec import (
    SpanExtractionData,
    SpanExtractionEvaluation,
    SpanExtractionModel,
    SpanExtractionSpec,
)
from ftcore.families.text_generation.spec import (
    GenerationSpec,
    Measure,
    TextGenerationData,
    TextGenerationEvaluation,
    TextGenerationModel,
    TextGenerationSpec,
    TextGenerationTraining,
)
from ftcore.family import Family
from ftcore.hookspecs import API_VERSION, hookimpl
from ftcore.spec.sections import DataSpec, EvaluationSpec, ExportSpec, ModelSpec, Section, Spec, TrainingSpec
from ftcore.task import Task

__all__ = [
    "API_VERSION",
    "DataSpec",
    "EvaluationSpec",
    "ExportSpec",
    "Family",
    "Field",
    "GenerationSpec",
    "Measure",
    "ModelSpec",
    "Section",
    "SequenceClassificationData",
    "SequenceClassificationEvaluation",
    "SequenceClassificationSpec",
    "SequenceClassificationTraining",
    "SpanExtractionData",
    "SpanExtractionEvaluation",
    "SpanExtractionModel",
    "SpanExtractionSpec",
    "Spec",
    "Task",
    "TextGenerationData",
    "TextGenerationEvaluation",
    "TextGenerationModel",
    "TextGenerationSpec",
    "TextGenerationTraining",
    "TrainingSpec",
    "field_validator",
    "hookimpl",
    "model_validator",
]
