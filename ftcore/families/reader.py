"""The part of a family that reads rows: from a source's row to a checked one, and what all of them teach."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar, runtime_checkable

from ftcore.errors import RowError
from ftcore.spec.sections import Spec

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SpecT = TypeVar("SpecT", bound=Spec)


class Fitted(Protocol):
    """What was learnt from the training rows: a frozen value. Nothing changes it; `tune` returns another one."""

    def to_json(self) -> dict[str, Any]:
        """As `Reader.restore` reads it; kept with the run."""


@runtime_checkable
class SupportsLabelCounts(Protocol):
    """What was learnt from rows that have labels."""

    @property
    def label_counts(self) -> Mapping[str, int]:
        """Label -> training rows of it, in the order of the logits; empty where rows have none."""


FittedT = TypeVar("FittedT", bound=Fitted)


class Reader(ABC, Generic[SpecT, FittedT]):
    """Reads rows. Stateless, and free of torch.

    Called in this order: `schema`, `columns` and `parse` while a source is read; `strata` and `groups` when it is
    split; `fit` once on the training split and `check` on every split; `inputs` and `references` in evaluation.
    """

    def __init__(self, spec: SpecT) -> None:
        self.spec = spec

    @property
    @abstractmethod
    def schema(self) -> pa.Schema:
        """Arrow schema of a parsed row."""

    @property
    @abstractmethod
    def columns(self) -> Mapping[str, str]:
        """Columns read: field of the schema -> the source's name. Those in `optional` may be missing."""

    @property
    def input_columns(self) -> Mapping[str, str]:
        """Columns of what a user of the bundle passes: field of the decoder -> the source's name.

        Those of `columns` that have a decoder's field for a name, unless a family says otherwise.
        """
        return self.columns

    @property
    def optional(self) -> frozenset[str]:
        """Fields whose column a source may lack."""
        return frozenset()

    @abstractmethod
    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row (the source's column names) -> one row of `schema`.

        A row that had to be fixed says so under the key `REMARK`, which is reported and not kept.

        Raises:
            RowError: an empty text, a value of the wrong type...
            RowDropped: the row is to be left out and reported.
        """

    @abstractmethod
    def strata(self, table: pa.Table) -> np.ndarray | None:
        """Class of each row (int64 [rows]) for stratified splits, or None where there is none."""

    @abstractmethod
    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """Key of each row (string [rows]); rows with equal keys never straddle two splits."""

    @property
    def grouped_by(self) -> tuple[str, str]:
        """What `groups` are, in the plural, and what to do where they are too few to split; for messages."""
        return "inputs", "give the splits as files"

    def memberships(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray] | None:
        """Pairs of a row and a label of it (both int64 [pairs]): training keeps a row of every label; None without."""
        return None

    @abstractmethod
    def fit(self, train: pa.Table) -> FittedT:
        """What the training rows teach: label names, weights...

        Raises:
            RowError: the training rows cannot be learnt from (one label only, ...).
        """

    @abstractmethod
    def restore(self, value: Mapping[str, Any]) -> FittedT:
        """What `to_json` of a fitted value wrote."""

    @abstractmethod
    def check(self, table: pa.Table, fitted: FittedT) -> tuple[int, RowError] | None:
        """First row (index into `table`) that contradicts what `fit` learnt, with why; else None."""

    @abstractmethod
    def inputs(self, rows: pa.Table) -> list[Any]:
        """What a user of the bundle would pass to `Pipeline.predict` for these rows."""

    @abstractmethod
    def references(self, rows: pa.Table) -> list[Any]:
        """The right answer of each row, for `Scoring`."""


def finite_number(cell: Any) -> float | None:  # noqa: ANN401 (a cell)
    """A cell as a number; None where it is none, or no finite one. `1_5` is none: Python alone reads it as 15."""
    if isinstance(cell, bool) or (isinstance(cell, str) and "_" in cell):
        return None
    try:
        number = float(cell)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def input_text(given: Any) -> str:  # noqa: ANN401 (what `Reader.inputs` gives)
    """The texts of one input, joined by a line break."""
    if isinstance(given, Mapping):
        given = list(given.values())
    return given if isinstance(given, str) else "\n".join(map(str, given))


def labels_in(reference: Any) -> list[Any]:  # noqa: ANN401 (what `Reader.references` gives)
    """The labels of a right answer: itself, its items, or what records among these call their label; each once."""
    items = reference if isinstance(reference, list) else [reference]
    return list(dict.fromkeys(item.get("label") if isinstance(item, Mapping) else item for item in items))


@runtime_checkable
class SupportsComparison(Protocol):
    """A reader whose rows have much in common within a split: questions of one context."""

    def compared(self, rows: pa.Table) -> list[str]:
        """The text of each row that no other split may have, [rows]."""


@runtime_checkable
class SupportsAugmentation(Protocol):
    """A reader some of whose texts may be changed while the reference stays right (`training.augment`)."""

    @property
    def texts(self) -> tuple[str, ...]:
        """Fields of `schema` whose words may be swapped or left out."""


@runtime_checkable
class SupportsInvariance(Protocol):
    """A reader some of whose texts may be written otherwise while the answer should stay (`checks.invariance`)."""

    @property
    def perturbable(self) -> tuple[str, ...]:
        """Fields of `schema` whose texts may be changed."""
