"""Translation: a text in another language, by an encoder-decoder or a decoder; from scratch as well."""

from __future__ import annotations

from typing import ClassVar

from ftcore.api import Measure, Task, TextGenerationSpec, hookimpl


class TranslationSpec(TextGenerationSpec):
    """A translation task."""

    measures: ClassVar[tuple[Measure, ...]] = ("bleu", "chrf")


@hookimpl
def ftcore_task() -> Task:
    """The task `translation`."""
    return Task(id="translation", summary="A text in another language", spec=TranslationSpec, metric="bleu")
