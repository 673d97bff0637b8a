"""A family at work: bound to the spec of a run and to what was learnt from its rows."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from ftcore.families.export import Exporter
from ftcore.families.model import Model
from ftcore.families.reader import Fitted, Reader
from ftcore.families.scoring import Scoring
from ftcore.family import Family
from ftcore.spec.sections import Spec


@dataclass(frozen=True)
class BoundFamily:
    """The parts of a family, each imported and made on first use.

    Args:
        family: the family.
        spec: of the run.
        fitted: what was learnt from the training rows; everything but `reader` needs it.
    """

    family: Family
    spec: Spec
    fitted: Fitted | None = None

    @property
    def name(self) -> str:
        """The family's name."""
        return self.family.name

    @cached_property
    def reader(self) -> Reader[Any, Any]:
        """Reads rows."""
        part: Reader[Any, Any] = self.family.part("reader")(self.spec)
        return part

    @cached_property
    def model(self) -> Model[Any, Any]:
        """Makes features, and drives the torch module."""
        part: Model[Any, Any] = self.family.part("model")(self.spec, self.fitted)
        return part

    @cached_property
    def scoring(self) -> Scoring[Any, Any]:
        """Decodes and measures."""
        part: Scoring[Any, Any] = self.family.part("scoring")(self.spec, self.fitted)
        return part

    @cached_property
    def export(self) -> Exporter:
        """Writes graphs."""
        part: Exporter = self.family.part("export")(self.model)
        return part

    def with_fitted(self, fitted: Fitted) -> BoundFamily:
        """The same family and spec with something else learnt."""
        return replace(self, fitted=fitted)
