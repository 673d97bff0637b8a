"""Summarization: the gist of a text, by an encoder-decoder or a decoder that is given a prompt."""

from __future__ import annotations

from typing import ClassVar

from ftcore.api import Measure, Task, TextGenerationSpec, hookimpl


class SummarizationSpec(TextGenerationSpec):
    """A summarization task."""

    measures: ClassVar[tuple[Measure, ...]] = ("rouge", "copying")


@hookimpl
def ftcore_task() -> Task:
    """The task `summarization`."""
    return Task(id="summarization", summary="The gist of a text", spec=SummarizationSpec, metric="rougeL")
