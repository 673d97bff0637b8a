"""Rows of a Parquet file, or of all those in a folder, as Spark, Dask and `datasets` write them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from ftcore.data.records import Record
from ftcore_runtime.parquet import parquet_files
from ftcore_runtime.tables import read_table

_FORM = "parquet"


def read_parquet(path: Path, name: str) -> Iterator[Record]:
    """The rows of a file, or of a folder's files; each says of which file it is.

    Raises:
        DataError: a file is not readable Parquet.
    """
    if not path.is_dir():
        yield from read_table(path, name, _FORM)
        return
    for file in parquet_files(path):
        yield from read_table(file, f"{name}/{file.name}", _FORM)
