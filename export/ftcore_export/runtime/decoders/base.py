"""The contract of a decoder."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from ftcore_export.runtime.answers import Answer


class Decoder(ABC):
    """Turns a graph's outputs into answers. Stateless, vectorised, numpy only."""

    family: ClassVar[str]
    #: Names of the graph outputs that it reads.
    outputs: ClassVar[tuple[str, ...]]

    @classmethod
    @abstractmethod
    def from_json(cls, config: Mapping[str, Any], where: str) -> Self:
        """Read the `decoder` section of a bundle.

        Raises:
            BundleError: the section is not what this family's decoder writes.
        """

    @property
    @abstractmethod
    def labels(self) -> tuple[str, ...]:
        """Label names in the order of the logits; empty where there are none."""

    @abstractmethod
    def decode(self, outputs: Mapping[str, np.ndarray]) -> list[Answer]:
        """One answer for each row of `outputs` (name -> [rows, ...]).

        Raises:
            BundleError: the shape does not fit the labels.
        """
