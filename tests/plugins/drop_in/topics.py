"""News topics: a label for a text, with a least length and a metric of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.api import Field, SequenceClassificationData, SequenceClassificationSpec, Task, hookimpl


class TopicsData(SequenceClassificationData):
    """What is learnt from: texts of some length and their topics."""

    min_characters: int = Field(1, ge=1, description="Shorter texts are an error.")


class TopicsSpec(SequenceClassificationSpec):
    """A topic task."""

    data: TopicsData


@hookimpl
def ftcore_task() -> Task:
    return Task(id="topics", summary="News topics", spec=TopicsSpec)


@hookimpl
def ftcore_prepare_row(spec: TopicsSpec, row: Mapping[str, Any]) -> Mapping[str, Any]:
    if len(str(row[spec.data.columns.text])) < spec.data.min_characters:
        raise ValueError(f"a text of fewer than {spec.data.min_characters} characters")
    return row


@hookimpl
def ftcore_metrics(references: Sequence[Any], answers: Sequence[Any]) -> Mapping[str, float]:
    return {"distinct_references": float(len(set(references)))}
