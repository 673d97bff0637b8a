"""The graph of the family `intent_classification`."""

from __future__ import annotations

from ftcore.families.sequence_classification.export import LabelExporter
from ftcore_runtime.scope import SPACES


class IntentExporter(LabelExporter):
    """Token ids to logits, and to what the head reads where texts are rejected by distances."""

    @property
    def outputs(self) -> list[str]:
        """By the method that was chosen."""
        return ["logits", "pooled"] if self.family.fitted.method in SPACES else ["logits"]
