"""The spec of the family `intent_classification`: labels of a text, and texts of none of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ftcore.families.sequence_classification.spec import (
    SequenceClassificationData,
    SequenceClassificationSpec,
)
from ftcore.spec.metrics import MetricInfo
from ftcore.spec.sections import Section

_METRICS: Mapping[str, MetricInfo] = {
    "accuracy": MetricInfo("Share of rows that get their intent, or are rejected if they have none"),
    "in_scope_accuracy": MetricInfo("Of rows with an intent, those that get it; rejected ones are wrong"),
    "closed_accuracy": MetricInfo(
        "Of rows with an intent, those whose most probable intent is right, rejected or not: what a plain classifier"
        " has"
    ),
    "f1_macro": MetricInfo("F1, the mean over the intents"),
    "oos_recall": MetricInfo("Of rows out of scope, those that are rejected"),
    "oos_precision": MetricInfo("Of rejected rows, those out of scope"),
    "oos_auroc": MetricInfo(
        "How often, of a row with an intent and one without, the former has the higher score; 0.5 is chance"
    ),
}


class IntentData(SequenceClassificationData):
    """What is learnt from: texts and their intents."""

    problem: Literal["single_label"] = "single_label"
    out_of_scope: str = Field(
        "oos",
        min_length=1,
        description="The label of rows that belong to none of the intents. They are not learnt: those of validation"
        " choose how texts are rejected, those of test measure it. There need not be any.",
    )

    @model_validator(mode="after")
    def _is_no_intent(self) -> IntentData:
        if self.labels is not None and self.out_of_scope in self.labels:
            raise ValueError(
                f"`labels` names {self.out_of_scope!r}, which `out_of_scope` says is none of them"
            )
        return self


class RejectionSpec(Section):
    """How texts of none of the intents are distinguished from the others."""

    method: Literal["auto", "probability", "energy", "mahalanobis", "knn"] = Field(
        "auto",
        description="probability: the largest one; energy: the log of the sum of exp over the logits; mahalanobis, knn:"
        " how near the text is to the nearest intent's mean, or to training rows, in the space that the head reads."
        " auto: whichever ranks validation rows out of scope lowest; with fewer than 10, intents stand in for them.",
    )
    in_scope_rate: Annotated[float, Field(gt=0.5, lt=1)] = Field(
        0.95,
        description="The share of the validation rows of intents that are kept: it says where the threshold is.",
    )


class IntentClassificationSpec(SequenceClassificationSpec):
    """A spec of the family."""

    family: ClassVar[str] = "intent_classification"

    data: IntentData
    rejection: RejectionSpec = Field(default_factory=RejectionSpec)

    @property
    def needs_space(self) -> bool:
        """Whether texts are rejected by distances, whatever the rows say."""
        return self.rejection.method in ("mahalanobis", "knn")

    @model_validator(mode="after")
    def _space_is_that_of_the_model(self) -> IntentClassificationSpec:
        if not self.needs_space:
            return self
        method = self.rejection.method
        if self.model.pooling == "architecture":
            raise ValueError(
                f"`rejection.method: {method}` reads pooled states: give `model.pooling` as mean, say"
            )
        if self.model.distill_from:
            raise ValueError(
                f"`rejection.method: {method}` does not go with `model.distill_from`: leave one out"
            )
        if self.training.refit:
            raise ValueError(
                f"`rejection.method: {method}` has a threshold of validation rows that the model has not seen, and"
                " `training.refit` trains on them: give one"
            )
        return self

    @property
    def policies(self) -> frozenset[str]:
        """None: a text is rejected, or it has an intent."""
        return frozenset()

    @property
    def known_metrics(self) -> Mapping[str, MetricInfo]:
        """Of all rows, and of scope where some rows are out of it."""
        return _METRICS
