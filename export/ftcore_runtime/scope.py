"""How far a text lies from those that a model was trained on, in the space that its head reads.

- Mahalanobis: the distance to the nearest intent's mean, by the covariance that all intents share (Lee et al. 2018, "A
  Simple Unified Framework for Detecting Out-of-Distribution Samples"; Podolskiy et al. 2021 for intents).
- Nearest neighbours: the cosine to the k-th nearest training row (Sun et al. 2022, "Out-of-Distribution Detection with
  Deep Nearest Neighbors").

Numbers are kept in half precision, and are so when thresholds are chosen: what was measured is what is served.
"""

from __future__ import annotations

import base64
import binascii
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from ftcore_runtime.errors import BundleError
from ftcore_runtime.fields import Fields
from ftcore_runtime.vectors import unit

#: Numbers of an array at most: a manifest holds it as text.
MOST_NUMBERS = 400_000
_CELLS = 2**22  # products of rows and known rows that are in memory at a time
Half = NDArray[np.float16]


class Space(ABC):
    """What is known of the space."""

    @property
    @abstractmethod
    def size(self) -> int:
        """Numbers of a representation."""

    @abstractmethod
    def inside(self, pooled: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is larger for texts like those of the training, float64 [rows], from representations [rows, size]."""

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """As `from_json` reads it."""

    @classmethod
    @abstractmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Read what `to_json` wrote.

        Raises:
            BundleError: it is not that.
        """

    def scores(self, pooled: np.ndarray) -> NDArray[np.float64]:
        """As `inside`, whatever the number of rows.

        Raises:
            BundleError: the shape does not fit.
        """
        if pooled.ndim != 2 or pooled.shape[1] != self.size:
            raise BundleError(
                f"the graph gave representations of shape {pooled.shape}, and {self.size} numbers were expected",
                where="pooled",
            )
        rows = max(1, _CELLS // max(1, self._known))
        starts = range(0, len(pooled), rows)
        parts = [self.inside(pooled[start : start + rows].astype(np.float64)) for start in starts]
        return np.concatenate([np.empty(0), *parts])

    @property
    @abstractmethod
    def _known(self) -> int:
        """What each row is compared with."""


@dataclass(frozen=True)
class Mahalanobis(Space):
    """Distances to means.

    Args:
        whitening: float16 [size, axes]: makes the shared covariance that of a sphere.
        means: float16 [intents, axes], of each intent, whitened.
    """

    whitening: Half
    means: Half

    @property
    def size(self) -> int:
        """Rows of the whitening."""
        return len(self.whitening)

    @property
    def _known(self) -> int:
        return len(self.means)

    def inside(self, pooled: NDArray[np.float64]) -> NDArray[np.float64]:
        """The squared distance to the nearest mean, negated."""
        whitening, means = self._wide
        own = pooled @ whitening
        squares = (own**2).sum(1)[:, None] - 2 * own @ means.T + (means**2).sum(1)
        nearest: NDArray[np.float64] = squares.min(axis=1)
        return -np.maximum(nearest, 0.0)

    @cached_property
    def _wide(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Both arrays as they are computed with."""
        return self.whitening.astype(np.float64), self.means.astype(np.float64)

    def to_json(self) -> dict[str, Any]:
        """Both arrays."""
        return {"whitening": _packed(self.whitening), "means": _packed(self.means)}

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Read `{whitening, means}`."""
        fields = Fields(value, where)
        whitening, means = _unpacked(fields, "whitening"), _unpacked(fields, "means")
        fields.end()
        if whitening.shape[1] != means.shape[1]:
            raise fields.error("means", f"have {means.shape[1]} axes, not {whitening.shape[1]}")
        return cls(whitening, means)


@dataclass(frozen=True)
class Neighbours(Space):
    """Cosines to training rows.

    Args:
        known: float16 [rows, size], of length 1 each.
        count: the which-nearest of them decides.
    """

    known: Half
    count: int

    @property
    def size(self) -> int:
        """Numbers of a row."""
        return int(self.known.shape[1])

    @property
    def _known(self) -> int:
        return len(self.known)

    def inside(self, pooled: NDArray[np.float64]) -> NDArray[np.float64]:
        """The cosine to that neighbour."""
        cosines = unit(pooled) @ self._wide.T
        found: NDArray[np.float64] = np.partition(cosines, -self.count, axis=1)[:, -self.count]
        return found

    @cached_property
    def _wide(self) -> NDArray[np.float64]:
        """The rows as they are computed with."""
        return self.known.astype(np.float64)

    def to_json(self) -> dict[str, Any]:
        """The rows, and the number."""
        return {"known": _packed(self.known), "count": self.count}

    @classmethod
    def from_json(cls, value: object, where: str) -> Self:
        """Read `{known, count}`."""
        fields = Fields(value, where)
        known = _unpacked(fields, "known")
        made = cls(known, fields.integer("count", minimum=1, maximum=len(known)))
        fields.end()
        return made


#: Method of rejection -> what it needs to know.
SPACES: Mapping[str, type[Space]] = {"mahalanobis": Mahalanobis, "knn": Neighbours}


def _packed(array: Half) -> dict[str, Any]:
    data = base64.b64encode(array.astype("<f2").tobytes()).decode()
    return {"shape": list(array.shape), "float16": data}


def _unpacked(fields: Fields, key: str) -> Half:
    """An array of two axes, neither of them empty, of finite numbers."""
    inner = Fields(fields.mapping(key), f"{fields.where}.{key}")
    shape, text = inner.take("shape", list), inner.text("float16")
    inner.end()
    if len(shape) != 2 or not all(type(size) is int and size > 0 for size in shape):
        raise inner.error("shape", "expected two sizes above 0")
    if shape[0] * shape[1] > MOST_NUMBERS:
        raise inner.error("shape", f"expected at most {MOST_NUMBERS:,} numbers")
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise inner.error("float16", "is no base64") from None
    if len(data) != 2 * shape[0] * shape[1]:
        raise inner.error("float16", f"has {len(data)} bytes, which are not {shape[0]} x {shape[1]} numbers")
    array = np.frombuffer(data, "<f2").reshape(shape)
    if not np.isfinite(array).all():
        raise inner.error("float16", "has a number that is not finite")
    return array
