"""A family that is data only: a text, a label, and an optional note."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.data import Splits, load_splits
from ftcore.errors import RowError
from ftcore.families.reader import Reader
from ftcore.spec.sections import DataSpec, Section, Spec


class Columns(Section):
    text: str = "text"
    label: str = "label"
    note: str = "note"


class FakeData(DataSpec):
    columns: Columns = Columns()


class FakeSpec(Spec):
    family: ClassVar[str] = "fake"
    data: FakeData


@dataclass(frozen=True)
class FakeFitted:
    labels: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


class FakeReader(Reader[FakeSpec, FakeFitted]):
    @property
    def schema(self) -> pa.Schema:
        return pa.schema([("text", pa.string()), ("label", pa.string()), ("note", pa.string())])

    @property
    def columns(self) -> Mapping[str, str]:
        return self.spec.data.columns.model_dump()

    @property
    def optional(self) -> frozenset[str]:
        return frozenset({"note"})

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        names = self.spec.data.columns
        text, label = row[names.text], row[names.label]
        if not isinstance(text, str):
            raise RowError(f"expected text, got {text!r}", names.text)
        if not text.strip():
            raise RowError("the text is empty", names.text)
        return {"text": text, "label": str(label), "note": row.get(names.note)}

    def strata(self, table: pa.Table) -> np.ndarray | None:
        return pc.index_in(table["label"], value_set=pc.unique(table["label"])).to_numpy().astype(np.int64)

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        return table["text"]

    def fit(self, train: pa.Table) -> FakeFitted:
        labels = sorted(pc.unique(train["label"]).to_pylist())
        if len(labels) < 2:
            raise RowError("one label only", self.spec.data.columns.label)
        return FakeFitted(tuple(labels))

    def restore(self, value: Mapping[str, Any]) -> FakeFitted:
        return FakeFitted(tuple(value["labels"]))

    def inputs(self, rows: pa.Table) -> list[Any]:
        return rows["text"].to_pylist()

    def references(self, rows: pa.Table) -> list[Any]:
        return rows["label"].to_pylist()

    def check(self, table: pa.Table, fitted: FakeFitted) -> tuple[int, RowError] | None:
        for index, label in enumerate(table["label"].to_pylist()):
            if label not in fitted.labels:
                return index, RowError(f"unknown label {label!r}", self.spec.data.columns.label)
        return None


def spec_of(data: Any) -> FakeSpec:
    return FakeSpec.model_validate({"task": "fake", "data": data, "model": {"base": "x"}})


def load(folder: Any, data: Any, hooks: Any = None) -> Splits:
    """Load from `folder`, with the cache in its `cache`."""
    return load_splits(FakeReader(spec_of(data)), base_dir=folder, cache_dir=folder / "cache", hooks=hooks)


def rows_of(count: int, start: int = 0) -> list[dict[str, Any]]:
    """Rows with texts of their own, two labels in turn."""
    return [{"text": f"text {i}", "label": "ab"[i % 2]} for i in range(start, start + count)]
