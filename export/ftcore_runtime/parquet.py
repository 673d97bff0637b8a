"""Parquet, record by record; class numbers become the names that `datasets` left in the schema. Needs pyarrow."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Any

from ftcore_runtime.errors import DataError
from ftcore_runtime.files import open_regular
from ftcore_runtime.object_store import ObjectFile, StoredObject
from ftcore_runtime.records import Record, require_columns

#: What pyarrow raises, in addition to its own errors, of a file that lies about itself.
_UNREADABLE = (OSError, ValueError, ArithmeticError, LookupError, TypeError, MemoryError)
_BLOCK = 1024  # rows turned into Python objects at a time
_AHEAD = 2**20  # bytes read of each column at a time, of an object in a store; a row group may be far larger


def parquet_files(folder: Path) -> list[Path]:
    """The `.parquet` files in a folder in the order of their names; not those in folders of it."""
    return sorted(folder.glob("*.parquet"))


def parquet_records(path: Path | StoredObject, name: str, needed: Mapping[str, str]) -> Iterator[Record]:
    """The rows of a Parquet file, or of an object in a store.

    Args:
        needed: see `TableOptions`.

    Raises:
        DataError: it is not Parquet, ends early, holds what its schema does not say, or lacks a needed column.
    """
    from pyarrow import ArrowException
    from pyarrow.parquet import ParquetFile

    try:
        ahead = _AHEAD if isinstance(path, StoredObject) else 0
        with (
            _opened(path) as source,
            ParquetFile(source, memory_map=True, pre_buffer=False, buffer_size=ahead) as file,
        ):
            names = file.schema_arrow.names
            if len(set(names)) != len(names):
                raise DataError("it has a column twice", where=name, hint="rename one of them")
            require_columns(names, name, needed)
            count, expected = 0, file.metadata.num_rows
            features = _features((file.schema_arrow.metadata or {}).get(b"huggingface"))
            for record in arrow_records(file.iter_batches(batch_size=_BLOCK), name, features):
                count += 1
                yield record
            if count != expected:
                raise DataError(f"it holds {count:,} rows and says {expected:,}", where=name)
    except (ArrowException, RecursionError, *_UNREADABLE) as error:
        what = str(error).replace(str(path), name).partition("\n")[0][:200]
        raise DataError(f"not a readable Parquet file: {what}", where=name) from None


def _opened(path: Path | StoredObject) -> AbstractContextManager[Path | ObjectFile]:
    if isinstance(path, StoredObject):
        return closing(ObjectFile(path))
    open_regular(path).close()  # a pipe would block, and Arrow knows no better
    return nullcontext(path)


def _features(metadata: bytes | None) -> Mapping[str, Any]:
    """The columns' types as `datasets` wrote them; none where that is not what it writes."""
    try:
        found = json.loads(metadata or b"{}")
        features = found.get("info", {}).get("features", {})
    except (ValueError, AttributeError, RecursionError):
        return {}
    return features if isinstance(features, dict) else {}


def arrow_records(blocks: Iterable[Any], name: str, features: Mapping[str, Any]) -> Iterator[Record]:
    """The rows of Arrow tables or record batches.

    Args:
        features: the columns' types as `datasets` writes them in JSON; may be empty.
    """
    namers = {column: namer for column, feature in features.items() if (namer := _namer(feature))}
    number = 0
    for block in blocks:
        for values in block.to_pylist():
            number += 1
            problem = ""
            for column, namer in namers.items():
                if column in values:
                    try:
                        values[column] = namer(values[column])
                    except (TypeError, ValueError):
                        problem = f"column {column!r:.60}: its values are not the class numbers that its schema says"
            yield Record(f"{name}:{number}", values, problem, number)


def _namer(feature: Any) -> Callable[[Any], Any] | None:  # noqa: ANN401 (any JSON)
    """Class numbers -> names for a ClassLabel or lists of them; None for others. -1 means no class."""
    if isinstance(feature, list) and len(feature) == 1:
        feature = {"feature": feature[0]}
    if not isinstance(feature, dict):
        return None
    if feature.get("_type") == "ClassLabel" and isinstance(feature.get("names"), list):
        names: list[str] = feature["names"]
        return lambda number: names[number] if isinstance(number, int) and 0 <= number < len(names) else None
    inner = _namer(feature.get("feature"))
    return inner and (lambda numbers: None if numbers is None else [inner(number) for number in numbers])
