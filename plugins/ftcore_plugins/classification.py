"""Classification: one label, or several, for a text or a pair of texts."""

from __future__ import annotations

from typing import Literal

from ftcore.api import Field, SequenceClassificationData, SequenceClassificationSpec, Task, hookimpl


class ClassificationData(SequenceClassificationData):
    """What is learnt from: texts and their labels."""

    problem: Literal["single_label", "multi_label"] = Field(
        "single_label", description="One label a row, or any number."
    )


class ClassificationSpec(SequenceClassificationSpec):
    """A classification task."""

    data: ClassificationData


@hookimpl
def ftcore_task() -> Task:
    """The task `classification`."""
    return Task(id="classification", summary="One label, or several, for a text", spec=ClassificationSpec)
