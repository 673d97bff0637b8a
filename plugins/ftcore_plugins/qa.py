"""Question answering: the span of a context that answers a question, or that it has no answer."""

from __future__ import annotations

from ftcore.api import SpanExtractionSpec, Task, hookimpl


@hookimpl
def ftcore_task() -> Task:
    """The task `qa`."""
    return Task(id="qa", summary="The span of a context that answers a question", spec=SpanExtractionSpec)
