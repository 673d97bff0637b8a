"""The spec: which columns are read, and how much the number counts in the loss. Imports neither numpy nor torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from ftcore.api import DataSpec, Field, MetricInfo, Section, Spec, TrainingSpec


class LabelAndNumberColumns(Section):
    """The names that the source gives its columns."""

    text: str = Field("text", min_length=1)
    label: str = Field("label", min_length=1)
    number: str = Field("number", min_length=1)


class LabelAndNumberData(DataSpec):
    """What is learnt from: texts, each with a label and a number."""

    columns: LabelAndNumberColumns = Field(default_factory=LabelAndNumberColumns)


class LabelAndNumberTraining(TrainingSpec):
    """How it is fine-tuned."""

    number_weight: float = Field(
        1.0, ge=0, description="Of the squared error of the number (in standard deviations) in the loss."
    )


class LabelAndNumberSpec(Spec):
    """A task that gives a text a label and a number."""

    family: ClassVar[str] = "label_and_number"

    data: LabelAndNumberData
    training: LabelAndNumberTraining = Field(default_factory=LabelAndNumberTraining)

    @property
    def known_metrics(self) -> Mapping[str, MetricInfo]:
        """Of the label and of the number, whose error is in the unit of the numbers."""
        return {
            "accuracy": MetricInfo("Share of rows that get their label"),
            "mae": MetricInfo("Mean absolute error of the number", lower=True, point=1.0),
        }
