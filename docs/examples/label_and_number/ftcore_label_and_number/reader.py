"""Rows: a text, a label and a number each; label names, and the scale of the numbers. Imports no torch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.api import Reader, RowError
from ftcore_label_and_number.spec import LabelAndNumberSpec


@dataclass(frozen=True)
class Learnt:
    """What the training rows teach: label names in the order of the logits; mean and deviation of the numbers."""

    labels: tuple[str, ...]
    mean: float
    scale: float

    def to_json(self) -> dict[str, Any]:
        """As `restore` reads it."""
        return asdict(self)


class LabelAndNumberReader(Reader[LabelAndNumberSpec, Learnt]):
    """Reads texts with a label and a number."""

    @property
    def schema(self) -> pa.Schema:
        """text, label, number."""
        return pa.schema([("text", pa.string()), ("label", pa.string()), ("number", pa.float64())])

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field."""
        names: Mapping[str, str] = self.spec.data.columns.model_dump()
        return names

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row, checked."""
        names = self.spec.data.columns
        found = {"text": row[names.text], "label": row[names.label]}
        for field, value in found.items():
            if not isinstance(value, str) or not value.strip():
                raise RowError(f"expected a text, got {value!r:.80}", self.columns[field])
        try:
            number = float(row[names.number])
        except (TypeError, ValueError):
            number = math.nan
        if not math.isfinite(number):
            raise RowError(f"expected a number, got {row[names.number]!r:.80}", names.number)
        return {**found, "number": number}

    def strata(self, table: pa.Table) -> np.ndarray:
        """The label."""
        codes = table["label"].combine_chunks().dictionary_encode().indices
        found: np.ndarray = codes.to_numpy(zero_copy_only=False).astype(np.int64)
        return found

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The text, without case and outer blanks."""
        return pc.utf8_lower(pc.utf8_trim_whitespace(table["text"]))

    def fit(self, train: pa.Table) -> Learnt:
        """Label names, sorted, and the scale of the numbers."""
        labels = tuple(sorted(set(train["label"].to_pylist())))
        if len(labels) < 2:
            raise RowError("at least 2 different labels are needed", self.columns["label"])
        numbers = train["number"].to_numpy()
        return Learnt(labels, float(numbers.mean()), float(numbers.std()) or 1.0)

    def restore(self, value: Mapping[str, Any]) -> Learnt:
        """What `Learnt.to_json` wrote."""
        return Learnt(tuple(value["labels"]), value["mean"], value["scale"])

    def check(self, table: pa.Table, fitted: Learnt) -> tuple[int, RowError] | None:
        """The first row with a label that training does not know."""
        for index, label in enumerate(table["label"].to_pylist()):
            if label not in fitted.labels:
                what = f"unknown label {label!r:.80}; the labels are {', '.join(fitted.labels)}"
                return index, RowError(what, self.columns["label"])
        return None

    def inputs(self, rows: pa.Table) -> list[Any]:
        """The texts."""
        texts: list[Any] = rows["text"].to_pylist()
        return texts

    def references(self, rows: pa.Table) -> list[Any]:
        """Label and number of each row."""
        references: list[Any] = rows.select(["label", "number"]).to_pylist()
        return references
