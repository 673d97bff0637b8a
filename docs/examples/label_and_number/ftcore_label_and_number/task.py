"""Ratings: what a review is about, and how many stars it gives."""

from __future__ import annotations

from ftcore.api import Task, hookimpl
from ftcore_label_and_number.spec import LabelAndNumberSpec


@hookimpl
def ftcore_task() -> Task:
    """The task that a spec names."""
    return Task(id="rating", summary="What a review is about, and its stars", spec=LabelAndNumberSpec)
