"""Similarity: a number for two texts, such as how alike they are or how well one answers the other."""

from __future__ import annotations

from typing import Literal

from ftcore.api import (
    Field,
    PairColumns,
    SequenceClassificationData,
    SequenceClassificationSpec,
    Task,
    hookimpl,
)


class SimilarityColumns(PairColumns):
    """The names that the source gives its columns."""

    label: str = Field("score", min_length=1, description="The number.")


class SimilarityData(SequenceClassificationData):
    """What is learnt from: pairs of texts and their numbers."""

    columns: SimilarityColumns = Field(default_factory=SimilarityColumns)
    problem: Literal["regression"] = "regression"


class SimilaritySpec(SequenceClassificationSpec):
    """A task of numbers for pairs."""

    data: SimilarityData


@hookimpl
def ftcore_task() -> Task:
    """The task `similarity`."""
    return Task(id="similarity", summary="A number for two texts", spec=SimilaritySpec, metric="spearman")
