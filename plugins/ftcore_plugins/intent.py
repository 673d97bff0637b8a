"""Intents: what a message wants, or that it wants none of what is known."""

from __future__ import annotations

from ftcore.api import IntentClassificationSpec, Task, hookimpl


@hookimpl
def ftcore_task() -> Task:
    """The task `intent`."""
    return Task(
        id="intent", summary="The intent of a text, or none that is known", spec=IntentClassificationSpec
    )
