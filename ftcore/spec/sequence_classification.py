"""The spec of the family `sequence_classification`: labels, or a number, for a text (or a pair)."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from ftcore.spec.sections import DataSpec, EvaluationSpec, Section, Spec, TrainingSpec

Problem = Literal["single_label", "multi_label", "regression"]


class SequenceClassificationColumns(Section):
    """The names that the source gives its columns."""

    text: str = Field("text", min_length=1)
    text_pair: str | None = Field(None, min_length=1, description="A second text, for pairs.")
    label: str = Field("label", min_length=1, description="A label, several labels, or a number.")
    weight: str | None = Field(
        None, min_length=1, description="A row's weight in the loss; empty counts as 1."
    )


class SequenceClassificationData(DataSpec):
    """What is learnt from: texts and their labels."""

    columns: SequenceClassificationColumns = Field(default_factory=SequenceClassificationColumns)
    problem: Problem = Field("single_label", description="What a row's label is.")
    labels: list[str] | None = Field(
        None,
        min_length=2,
        description="Label names in the order of the logits; inferred (sorted) unless given.",
        json_schema_extra={"uniqueItems": True},
    )
    label_separator: str = Field(
        "|",
        min_length=1,
        description="Between the labels of one cell, in a multi-label file that has no lists.",
    )

    @model_validator(mode="after")
    def _labels_fit(self) -> SequenceClassificationData:
        if self.labels is not None:
            if self.problem == "regression":
                raise ValueError("a regression has no `labels`")
            if repeated := sorted({name for name in self.labels if self.labels.count(name) > 1}):
                raise ValueError(f"`labels` names {', '.join(map(repr, repeated))} more than once")
        return self


class SequenceClassificationTraining(TrainingSpec):
    """How it is fine-tuned."""

    class_weights: Literal["none", "balanced"] | dict[str, Annotated[float, Field(ge=0)]] = Field(
        "none",
        description="Weight of each label in the loss. balanced: rows / (labels x rows of the label).",
    )


class SequenceClassificationEvaluation(EvaluationSpec):
    """How it is measured."""

    threshold: float = Field(
        0.5, gt=0, lt=1, description="Multi-label: the probability from which a label holds."
    )


class SequenceClassificationSpec(Spec):
    """A spec of the family."""

    family: ClassVar[str] = "sequence_classification"
    #: True where the order of the labels means something: adds ordinal measures and a -1..1 polarity.
    ordered: ClassVar[bool] = False

    data: SequenceClassificationData
    training: SequenceClassificationTraining = Field(default_factory=SequenceClassificationTraining)
    evaluation: SequenceClassificationEvaluation = Field(default_factory=SequenceClassificationEvaluation)
