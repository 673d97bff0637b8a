"""The part of a family that is exported: its ONNX graphs, and how they are compared with torch."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from ftcore.families.model import Model, Stored

if TYPE_CHECKING:
    import numpy as np
    import torch

    from ftcore_export.graph import Graph
    from ftcore_export.parity import Parity
    from ftcore_runtime.encoding import TextEncoder
    from ftcore_runtime.pipeline import Pipeline

#: What a model gave for some rows by name, and the answers that were made of it.
Responses: TypeAlias = "tuple[Mapping[str, np.ndarray], Sequence[Any]]"
#: Parity of a pipeline that gave these responses.
Comparison: TypeAlias = "Callable[[Pipeline, Responses], Parity]"


class Exporter(ABC):
    """Writes the graphs of a family.

    Args:
        family: the family's model part.
    """

    def __init__(self, family: Model[Any, Any]) -> None:
        self.family = family

    @abstractmethod
    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """The ONNX graphs of a fine-tuned model."""


@runtime_checkable
class SupportsComparison(Protocol):
    """An exporter that compares graphs with torch in its own way, not by outputs and answers alone."""

    def comparison(
        self, model: torch.nn.Module, features: Stored, reference: Responses, ids: Sequence[Any]
    ) -> Comparison:
        """What compares a pipeline with torch.

        Args:
            model: in torch; it stays in memory where it is needed again.
            reference: its responses for these features.
            ids: of their rows, for messages.
        """
