"""Sentiment: two, three or five ordered classes from negative to positive, with a polarity from -1 to 1."""

from __future__ import annotations

from typing import ClassVar, Literal

from ftcore import api


class SentimentData(api.SequenceClassificationData):
    """What is learnt from: texts and their sentiment. The order of `labels` is the scale: required."""

    problem: Literal["single_label"] = "single_label"
    labels: list[str] = api.Field(
        min_length=2,
        max_length=5,
        description="From most negative to most positive: 2, 3 or 5.",
        json_schema_extra={"uniqueItems": True, "not": {"minItems": 4, "maxItems": 4}},
    )

    @api.field_validator("labels")
    @classmethod
    def _has_a_scale(cls, labels: list[str]) -> list[str]:
        if len(labels) == 4:
            raise ValueError("a sentiment scale has 2, 3 or 5 labels, not 4")
        return labels


class SentimentSpec(api.SequenceClassificationSpec):
    """A sentiment task."""

    ordered: ClassVar[bool] = True
    data: SentimentData


@api.hookimpl
def ftcore_task() -> api.Task:
    """The task `sentiment`."""
    return api.Task(id="sentiment", summary="Ordered classes from negative to positive", spec=SentimentSpec)
