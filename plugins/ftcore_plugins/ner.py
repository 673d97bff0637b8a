"""Named entities: spans of a text, each with a label, in texts of any length."""

from __future__ import annotations

from ftcore.api import Task, TokenClassificationSpec, hookimpl


@hookimpl
def ftcore_task() -> Task:
    """The task `ner`."""
    return Task(id="ner", summary="Named entities in a text", spec=TokenClassificationSpec)
