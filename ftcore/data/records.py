"""Readers: one source -> its records, one by one, each with its place. None holds more than a block."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from ftcore.data.textfile import MAX_CHARACTERS, Encodings, lines, whole_text
from ftcore.errors import DataError

_BLOCK = 1024  # rows of a columnar file turned into Python objects at a time


@dataclass(frozen=True, slots=True)
class Record:
    """One row as the source has it.

    Args:
        place: `file:row` for messages; the line a record starts at in text files, else the row, both from 1.
        values: column -> value; None if the row is broken.
        problem: what is broken.
    """

    place: str
    values: dict[str, Any] | None
    problem: str = ""


def read_delimited(path: Path, name: str, encoding: str, delimiter: str) -> Iterator[Record]:
    """CSV and TSV with a header; quotes as in RFC 4180, strictly. Blank lines are skipped."""
    csv.field_size_limit(MAX_CHARACTERS)
    reader = csv.reader(lines(path, name, encoding, newline=""), delimiter=delimiter, strict=True)
    header: list[str] | None = None
    while True:
        start = reader.line_num + 1
        try:
            fields = next(reader, None)
        except csv.Error as error:
            raise DataError(
                f"not valid {'TSV' if delimiter == chr(9) else 'CSV'}: {error}",
                where=f"{name}:{start}",
                hint="a field that holds quotes is quoted itself, with each quote in it doubled",
            ) from None
        if fields is None:
            break
        if not fields:
            continue
        if header is None:
            header = _header(fields, f"{name}:{start}")
        elif len(fields) != len(header):
            problem = f"the row has {len(fields)} fields, the header {len(header)}"
            yield Record(f"{name}:{start}", None, problem)
        else:
            yield Record(f"{name}:{start}", dict(zip(header, fields, strict=True)))
    if header is None:
        raise DataError("the file is empty", where=name, hint="the first line names the columns")


def _header(fields: list[str], place: str) -> list[str]:
    if repeated := sorted({field for field in fields if fields.count(field) > 1}):
        raise DataError(
            f"the header names {repeated[0]!r} more than once", where=place, hint="rename one of them"
        )
    return fields


def read_json_lines(path: Path, name: str, encoding: str) -> Iterator[Record]:
    """One JSON object a line. Blank lines are skipped."""
    empty = True
    for number, line in enumerate(lines(path, name, encoding, newline="\n"), 1):
        if not line.strip():
            continue
        place = f"{name}:{number}"
        if empty and line.lstrip().startswith("["):
            raise DataError(
                "this is a JSON array, not JSON Lines",
                where=place,
                hint="write one object a line, without the brackets around and the commas between",
            )
        empty = False
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            yield Record(place, None, _json_problem(error, line))
            continue
        if isinstance(value, dict):
            yield Record(place, value)
        else:
            yield Record(place, None, f"expected a JSON object, got {type(value).__name__}")
    if empty:
        raise DataError("the file is empty", where=name)


def _json_problem(error: Exception, line: str) -> str:
    if isinstance(error, json.JSONDecodeError):
        cut = ": the line ends too early" if error.pos >= len(line.rstrip()) else ""
        return f"not valid JSON: {error.msg} at column {error.colno}{cut}"
    return (
        "not valid JSON: nested too deeply"
        if isinstance(error, RecursionError)
        else f"not valid JSON: {error}"
    )


def read_parquet(path: Path, name: str) -> Iterator[Record]:
    """Parquet; class numbers become names where `datasets` left the names in the schema."""
    try:
        with pq.ParquetFile(path, memory_map=True, pre_buffer=False) as file:
            metadata = (file.schema_arrow.metadata or {}).get(b"huggingface")
            features = json.loads(metadata).get("info", {}).get("features", {}) if metadata else {}
            yield from read_arrow(file.iter_batches(batch_size=_BLOCK), name, features)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(f"not a readable Parquet file: {_first_line(error)}", where=name) from None


def read_dataset(dataset: Any, name: str) -> Iterator[Record]:  # noqa: ANN401 (datasets is not typed here)
    """A `datasets.Dataset`; class numbers become names."""
    blocks = dataset.with_format("arrow").iter(batch_size=_BLOCK)
    return read_arrow(blocks, name, dataset.features.to_dict())


def read_arrow(blocks: Iterable[Any], name: str, features: Mapping[str, Any]) -> Iterator[Record]:
    """Arrow tables or record batches.

    Args:
        features: the columns' types as `datasets` writes them in JSON; may be empty.
    """
    namers = {column: namer for column, feature in features.items() if (namer := _namer(feature))}
    number = 0
    for block in blocks:
        for values in block.to_pylist():
            number += 1
            for column, namer in namers.items():
                if column in values:
                    values[column] = namer(values[column])
            yield Record(f"{name}:{number}", values)


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


def read_folders(root: Path, name: str, encodings: Encodings) -> Iterator[Record]:
    """One folder a label, one .txt file a row: columns `text`, `label` and `file`, in sorted order."""
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        for path in sorted(folder.glob("*.txt")):
            file = f"{folder.name}/{path.name}"
            place = f"{name.rstrip('/')}/{file}"
            yield Record(
                place, {"text": whole_text(path, place, encodings), "label": folder.name, "file": file}
            )


def read_rows(rows: Sequence[Mapping[str, Any]], name: str) -> Iterator[Record]:
    """Rows that stand in the spec itself."""
    for number, row in enumerate(rows, 1):
        yield Record(f"{name}:{number}", dict(row))


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
