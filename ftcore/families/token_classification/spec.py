"""The spec of the family `token_classification`: the entities of a text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from ftcore.spec.base import Columns, Fraction, check_labels, check_stride
from ftcore.spec.metrics import MetricInfo
from ftcore.spec.sections import DataSpec, ModelSpec, Spec, TrainingSpec
from ftcore.spec.training import StepsRecipe

_METRICS: Mapping[str, MetricInfo] = {
    "precision": MetricInfo(
        "Of the entities that are answered, those whose span and label are exactly right"
    ),
    "recall": MetricInfo("Of the entities that there are, those that are answered with span and label"),
    "f1": MetricInfo("F1 of these two, as CoNLL's script and seqeval count them"),
    "precision_partial": MetricInfo(
        "Precision without labels; an answer that overlaps an entity counts half (MUC-5)"
    ),
    "recall_partial": MetricInfo("Recall, counted likewise"),
    "f1_partial": MetricInfo("F1 of these two, as nervaluate pairs answers with entities"),
    "f1_macro": MetricInfo("`f1` of each label, the mean over the labels that occur"),
    "exact_match": MetricInfo("Share of texts whose entities are all right, with no other"),
}


class TokenClassificationColumns(Columns):
    """The names that the source gives its columns."""

    text: str = Field("text", min_length=1, description="A text, or the list of its words.")
    entities: str = Field(
        "entities",
        min_length=1,
        description="A list of `{start, end, label}` or `[start, end, label]`, in characters of the text from 0, `end`"
        " excluded, or the same as JSON; of a list of words, a tag of each (BIO, IOB1 or BIOES); nothing where a text"
        " has none.",
    )


class TokenClassificationData(DataSpec):
    """What is learnt from: texts and the entities in them."""

    columns: TokenClassificationColumns = Field(default_factory=TokenClassificationColumns)
    labels: list[str] | None = Field(
        None,
        min_length=1,
        description="Of entities, in the order of their tags; inferred (sorted) unless given.",
        json_schema_extra={"uniqueItems": True},
    )
    join_words: Literal["auto", "blank", "nothing"] = Field(
        "auto",
        description="What stands between the words of a row that has a list of them; `auto`: a blank, but nothing"
        " between characters of scripts without blanks (Chinese, Japanese, Thai, ...).",
    )
    misaligned: Literal["error", "widen"] = Field(
        "error",
        description="An entity that begins or ends within a word, or with a blank: `widen` takes the whole word, leaves"
        " outer blanks out and says so.",
    )

    @model_validator(mode="after")
    def _labels_differ(self) -> TokenClassificationData:
        check_labels(self.labels or ())
        return self


class TokenClassificationModel(ModelSpec):
    """What is fine-tuned."""

    max_length: int = Field(
        256,
        ge=8,
        le=131_072,
        description="Tokens of one window; a longer text is cut into several, and nothing is lost.",
    )
    stride: int = Field(
        64, ge=0, description="Tokens that neighbouring windows share; at most half of a window."
    )
    label_pieces: Literal["first", "all"] = Field(
        "first",
        description="Which tokens of a word the loss counts: its first one, by which answers are made, or all.",
    )

    addresses: Literal["auto", "whole", "parts"] = Field(
        "auto",
        description="Handles (@name), hashtags, URLs and addresses of mail: `whole`: each is one word, so that a name"
        " within it is none; `parts`: their letters and marks are words; auto: whole, unless an entity of a training"
        " row begins or ends within one.",
    )

    @model_validator(mode="after")
    def _windows_overlap(self) -> Self:
        check_stride(self.stride, self.max_length, given="stride" in self.model_fields_set)
        return self


class TokenClassificationTraining(TrainingSpec):
    """How it is fine-tuned."""

    recipe: StepsRecipe = Field(
        "auto",
        description="Chooses what the spec leaves open of rates, epochs and batches. auto and steps: rates by the size"
        " of the base model, and at least 400 optimizer steps where 20 passes make as many.",
    )
    label_smoothing: Fraction = Field(0.0, description="Share of a tag's target spread evenly over all tags.")


class TokenClassificationSpec(Spec):
    """A spec of the family."""

    family: ClassVar[str] = "token_classification"

    data: TokenClassificationData
    model: TokenClassificationModel
    training: TokenClassificationTraining = Field(default_factory=TokenClassificationTraining)

    @property
    def known_metrics(self) -> Mapping[str, MetricInfo]:
        """Strict, partial, the mean over labels, and the share of texts without a mistake."""
        return _METRICS
