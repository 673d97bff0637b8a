"""The spec of the family `span_extraction`: the span of a context that answers a question."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ftcore.spec.base import Columns, check_stride
from ftcore.spec.metrics import MetricInfo
from ftcore.spec.sections import DataSpec, EvaluationSpec, ModelSpec, Spec, TrainingSpec
from ftcore.spec.training import StepsRecipe

_METRICS: Mapping[str, MetricInfo] = {
    "exact_match": MetricInfo("Share of answers that are exactly one of the right texts, normalised"),
    "f1": MetricInfo(
        "F1 of the words of answer and right text: the best over the right texts, the mean over rows"
    ),
    "score_auroc": MetricInfo(
        "How often, of an answer that is exactly right and one that is not, the right one has the higher score; 0.5 is"
        " chance"
    ),
    "ece": MetricInfo(
        "Expected calibration error of the score: how far it is from the share of exactly right answers",
        lower=True,
    ),
    "exact_match_has_answer": MetricInfo("`exact_match` of the questions that have an answer"),
    "f1_has_answer": MetricInfo("`f1` of the questions that have an answer"),
    "exact_match_no_answer": MetricInfo("Share of the questions without an answer that get none"),
    "f1_no_answer": MetricInfo("The same: of no answer, F1 is 1 or 0"),
    "best_exact_match": MetricInfo(
        "`exact_match` at the threshold of no answer that is best for this very split"
    ),
    "best_f1": MetricInfo("`f1` at the threshold of no answer that is best for this very split"),
}


class SpanExtractionColumns(Columns):
    """The names that the source gives its columns."""

    question: str = Field("question", min_length=1)
    context: str = Field("context", min_length=1)
    answers: str = Field(
        "answers",
        min_length=1,
        description="`{text: [...], answer_start: [...]}` as SQuAD has it, a list of such mappings or of texts, or"
        " one text; nothing where the context has no answer.",
    )
    start: str | None = Field(
        None,
        min_length=1,
        description="Where an answer begins in the context, in characters from 0, if `answers` does not say it.",
    )
    id: str = Field("id", min_length=1, description="Names a question in messages; may be missing.")
    title: str | None = Field(
        "title",
        min_length=1,
        description="Questions with one title stay in one split; those of one context do where it is missing, or null"
        " here.",
    )


class SpanExtractionData(DataSpec):
    """What is learnt from: questions, contexts, and answers that stand in them."""

    columns: SpanExtractionColumns = Field(default_factory=SpanExtractionColumns)
    misplaced_answers: Literal["repair", "drop", "error"] = Field(
        "repair",
        description="An answer that is not where its start says is moved to where its text stands, if that is one"
        " place only. If not, `repair` refuses the row and `drop` leaves it out; `error` never moves one.",
    )


class SpanExtractionTraining(TrainingSpec):
    """How it is fine-tuned."""

    recipe: StepsRecipe = Field(
        "auto",
        description="Chooses what the spec leaves open of rates, epochs and batches. auto and steps: rates by the size"
        " of the base model, and at least 400 optimizer steps where 20 passes make as many.",
    )


class SpanExtractionModel(ModelSpec):
    """What is fine-tuned."""

    max_length: int = Field(384, ge=16, le=131_072, description="Tokens of one window.")
    stride: int = Field(
        128,
        ge=0,
        description="Tokens of the context that neighbouring windows share; at most half of a window.",
    )
    max_question_length: int = Field(
        64, ge=1, description="Tokens of a question that are read; at most half of a window."
    )

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        check_stride(self.stride, self.max_length, given="stride" in self.model_fields_set)
        return self


class SpanExtractionEvaluation(EvaluationSpec):
    """How it is measured, and how answers are made."""

    normalisation: Literal["auto", "english", "characters"] = Field(
        "auto",
        description="What answers are compared as: words without articles, as SQuAD does, or, for Chinese and"
        " Japanese, single characters; `auto` goes by the script of the training answers.",
    )
    max_answer_length: int = Field(30, ge=1, le=1024, description="Tokens of the longest answer.")
    top_k: int = Field(5, ge=1, le=100, description="Best spans written with each answer.")


class SpanExtractionSpec(Spec):
    """A spec of the family."""

    family: ClassVar[str] = "span_extraction"

    data: SpanExtractionData
    model: SpanExtractionModel
    training: SpanExtractionTraining = Field(default_factory=SpanExtractionTraining)
    evaluation: SpanExtractionEvaluation = Field(default_factory=SpanExtractionEvaluation)

    @property
    def policies(self) -> frozenset[str]:
        """Abstention."""
        return frozenset({"min_confidence", "target_precision"})

    @property
    def known_metrics(self) -> Mapping[str, MetricInfo]:
        """Of all questions, and of those with and without an answer where some have none."""
        return _METRICS

    @property
    def answers_may_stay(self) -> bool:
        """Spans."""
        return True
