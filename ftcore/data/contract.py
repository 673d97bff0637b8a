"""The part of a family that the data floor needs; `ftcore.families.base.Family` fulfils it.

Data lies below the families, so it names what it calls and imports nothing from above.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Protocol

import numpy as np
import pyarrow as pa

from ftcore.errors import RowError


class RowFamily(Protocol):
    """What a row is, and which rows belong together. See `Family` for what each member promises."""

    name: ClassVar[str]

    @property
    def schema(self) -> pa.Schema:
        """Arrow schema of a parsed row."""

    @property
    def columns(self) -> Mapping[str, str]:
        """Field -> the source's name of its column."""

    @property
    def optional(self) -> frozenset[str]:
        """Fields whose column a source may lack."""

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row -> one row of `schema`; `RowError` if it is not one."""

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """Class of each row, int64 [rows], or None."""

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """Key of each row, string [rows]; equal keys never straddle two splits."""

    def fit(self, train: pa.Table) -> None:
        """Learn what the training rows say; `RowError` if they cannot be learnt from."""

    def check(self, table: pa.Table) -> tuple[int, RowError] | None:
        """First row that contradicts what `fit` learnt, with why."""
