"""Pairs: one label for two texts (entailment, duplicates, an aspect of a review)."""

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


class PairData(SequenceClassificationData):
    """What is learnt from: pairs of texts and their labels."""

    columns: PairColumns = Field(default_factory=PairColumns)
    problem: Literal["single_label"] = "single_label"


class PairSpec(SequenceClassificationSpec):
    """A task of pairs."""

    data: PairData


@hookimpl
def ftcore_task() -> Task:
    """The task `pair`."""
    return Task(id="pair", summary="One label for two texts", spec=PairSpec)
