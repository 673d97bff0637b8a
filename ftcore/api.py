"""The whole public surface for plugins: a plugin imports this module and nothing else of ftcore.

Light: what needs numpy or torch (helpers for the parts of a family) is imported on first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from pydantic import Field, field_validator, model_validator

from ftcore.errors import REMARK, ModelError, RowDropped, RowError
from ftcore.families.export import Comparison, Exporter, Responses, SupportsComparison
from ftcore.families.intent_classification.spec import IntentClassificationSpec, IntentData
from ftcore.families.model import (
    Batch,
    Features,
    Model,
    Outputs,
    Stored,
    SupportsAttribution,
    SupportsBaseCreation,
    SupportsContrast,
    SupportsDistillation,
    SupportsOwnTokenizer,
    SupportsRDrop,
    SupportsSearch,
    SupportsSpanAttribution,
)
from ftcore.families.reader import Fitted, Reader, SupportsAugmentation
from ftcore.families.scoring import (
    Scorer,
    Scores,
    Scoring,
    SupportsResamples,
    SupportsSamples,
    SupportsTuning,
)
from ftcore.families.sequence_classification.spec import (
    PairColumns,
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
from ftcore.families.token_classification.spec import (
    TokenClassificationData,
    TokenClassificationModel,
    TokenClassificationSpec,
    TokenClassificationTraining,
)
from ftcore.family import Family
from ftcore.files import write_json
from ftcore.hookspecs import API_VERSION, hookimpl
from ftcore.spec.metrics import MetricInfo
from ftcore.spec.sections import DataSpec, EvaluationSpec, ExportSpec, ModelSpec, Section, Spec, TrainingSpec
from ftcore.task import Task

if TYPE_CHECKING:
    from ftcore.data.formats import Format as Format
    from ftcore.data.records import Record as Record
    from ftcore.families import losses as losses
    from ftcore.families.encoder_graph import encoder_graph as encoder_graph
    from ftcore.families.plans import length_plan as length_plan
    from ftcore.families.teachers import open_teacher_model as open_teacher_model
    from ftcore.families.token_span import TokenSpan as TokenSpan
    from ftcore.modeling.base_model import BaseModel as BaseModel
    from ftcore.modeling.base_model import load_weights as load_weights
    from ftcore.modeling.base_model import with_dropout as with_dropout

__all__ = [
    "API_VERSION",
    "REMARK",
    "BaseModel",
    "Batch",
    "Comparison",
    "DataSpec",
    "EvaluationSpec",
    "ExportSpec",
    "Exporter",
    "Family",
    "Features",
    "Field",
    "Fitted",
    "Format",
    "GenerationSpec",
    "IntentClassificationSpec",
    "IntentData",
    "Measure",
    "MetricInfo",
    "Model",
    "ModelError",
    "ModelSpec",
    "Outputs",
    "PairColumns",
    "Reader",
    "Record",
    "Responses",
    "RowDropped",
    "RowError",
    "Scorer",
    "Scores",
    "Scoring",
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
    "Stored",
    "SupportsAttribution",
    "SupportsAugmentation",
    "SupportsBaseCreation",
    "SupportsComparison",
    "SupportsContrast",
    "SupportsDistillation",
    "SupportsOwnTokenizer",
    "SupportsRDrop",
    "SupportsResamples",
    "SupportsSamples",
    "SupportsSearch",
    "SupportsSpanAttribution",
    "SupportsTuning",
    "Task",
    "TextGenerationData",
    "TextGenerationEvaluation",
    "TextGenerationModel",
    "TextGenerationSpec",
    "TextGenerationTraining",
    "TokenClassificationData",
    "TokenClassificationModel",
    "TokenClassificationSpec",
    "TokenClassificationTraining",
    "TokenSpan",
    "TrainingSpec",
    "encoder_graph",
    "field_validator",
    "hookimpl",
    "length_plan",
    "load_weights",
    "losses",
    "model_validator",
    "open_teacher_model",
    "with_dropout",
    "write_json",
]

#: Name -> the module that it is imported from when it is first asked for.
_HEAVY = {
    "Format": "ftcore.data.formats",
    "Record": "ftcore.data.records",
    "TokenSpan": "ftcore.families.token_span",
    "BaseModel": "ftcore.modeling.base_model",
    "encoder_graph": "ftcore.families.encoder_graph",
    "length_plan": "ftcore.families.plans",
    "load_weights": "ftcore.modeling.base_model",
    "open_teacher_model": "ftcore.families.teachers",
    "with_dropout": "ftcore.modeling.base_model",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 (PEP 562: whatever the name stands for)
    if name == "losses":
        return import_module("ftcore.families.losses")
    if name in _HEAVY:
        return getattr(import_module(_HEAVY[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
