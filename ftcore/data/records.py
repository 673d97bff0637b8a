"""Readers: one source -> its records, one by one, each with its location. None holds more than a block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftcore.data.textfile import Encodings, whole_text
from ftcore_runtime.parquet import arrow_records
from ftcore_runtime.records import Record as Record  # what every reader of this package yields

_BLOCK = 1024  # rows of a columnar file turned into Python objects at a time


def read_dataset(dataset: Any, name: str) -> Iterator[Record]:  # noqa: ANN401 (datasets is not typed here)
    """A `datasets.Dataset`; class numbers become names."""
    blocks = dataset.with_format("arrow").iter(batch_size=_BLOCK)
    return arrow_records(blocks, name, dataset.features.to_dict())


def read_folders(root: Path, name: str, encodings: Encodings) -> Iterator[Record]:
    """One folder a label, one .txt file a row: columns `text`, `label` and `file`, in sorted order."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for path in sorted(folder.glob("*.txt")):
            file = f"{folder.name}/{path.name}"
            location = f"{name.rstrip('/')}/{file}"
            yield Record(
                location, {"text": whole_text(path, location, encodings), "label": folder.name, "file": file}
            )


def read_rows(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[Record]:
    """Rows that stand in the spec itself."""
    for number, row in enumerate(rows, 1):
        yield Record(f"{name}:{number}", dict(row))
