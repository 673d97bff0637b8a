"""What the model reads, on disk: tokenised once, memory-mapped, batched without per-row Python.

A store is one Arrow IPC file with a single record batch, so that every column is one flat array on the map:
ragged features are large lists, fixed ones plain columns. Memory does not grow with the rows.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
import pyarrow as pa

from ftcore.families.model import Batch, Features, Tokenizes
from ftcore_runtime.encoding import Encoded, TextEncoder, filled
from ftcore_runtime.publishing import publishing
from ftcore_runtime.ranges import ranges

_CHUNK = 4096  # rows tokenised at a time
_EXTRA = "extra:"


class TrainingFeatures(Protocol):
    """What the engine reads: a `FeatureStore`, or one that changes from epoch to epoch."""

    row: np.ndarray
    lengths: np.ndarray

    def __len__(self) -> int: ...

    def batch(self, indices: np.ndarray, epoch: int = 0) -> Batch:
        """The features at `indices` as epoch `epoch` has them."""


class PreparedInputs(Protocol):
    """What a decoder's `prepare` gives."""

    @property
    def encoded(self) -> Encoded:
        """The features."""

    @property
    def row(self) -> np.ndarray:
        """int64 [features]: index of the input of each."""


class FeatureStore:
    """Features of one split, read by index.

    Args:
        ragged: name -> values of all features one after another, and int64 [features + 1] where each begins.
        fixed: name -> array [features, ...].
        row: int64 [features]: index of the row of the split that each feature comes from.
        model: says what ragged features but the token ids are filled up with.
        encoder: says how token ids are, and which side is filled.
        extras: what the model does not read, each like an entry of `fixed` or of `ragged`.
    """

    def __init__(
        self,
        ragged: Mapping[str, tuple[np.ndarray, np.ndarray]],
        fixed: Mapping[str, np.ndarray],
        row: np.ndarray,
        model: Tokenizes,
        encoder: TextEncoder,
        extras: Mapping[str, Any] | None = None,
    ) -> None:
        self._ragged = ragged
        self._extras = extras or {}
        self._fixed = fixed
        self._padding = {"input_ids": encoder.config.pad_id, **model.pad_values}
        self._side = encoder.config.pad_side
        self._wants_mask = "attention_mask" in encoder.config.inputs
        self.row = row
        #: int64 [features]: tokens of each feature.
        self.lengths: np.ndarray = sum(
            (np.diff(ragged[name][1]) for name in model.measured), np.zeros(len(row), np.int64)
        )
        self.encoder = encoder

    @classmethod
    def open(cls, path: Path, model: Tokenizes, encoder: TextEncoder) -> FeatureStore:
        """What `build` wrote, memory-mapped."""
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        ragged: dict[str, tuple[np.ndarray, np.ndarray]] = {}
        fixed: dict[str, np.ndarray] = {}
        for name in table.column_names:
            column = table[name].chunk(0) if table.num_rows else table[name].combine_chunks()
            if pa.types.is_large_list(column.type):
                ragged[name] = (column.values.to_numpy(), column.offsets.to_numpy())
            elif pa.types.is_fixed_size_list(column.type):
                fixed[name] = column.values.to_numpy().reshape(-1, column.type.list_size)
            else:
                fixed[name] = column.to_numpy()
        extras = {
            name.removeprefix(_EXTRA): columns.pop(name)
            for columns in (ragged, fixed)
            for name in list(columns)
            if name.startswith(_EXTRA)
        }
        return cls(ragged, fixed, fixed.pop("row"), model, encoder, extras)

    @classmethod
    def of(cls, features: Features, model: Tokenizes, encoder: TextEncoder) -> FeatureStore:
        """Features that are in memory, without extras."""
        ragged = {}
        for name, lists in features.ragged.items():
            offsets = np.cumsum([0, *map(len, lists)], dtype=np.int64)
            ragged[name] = (
                np.fromiter((i for one in lists for i in one), np.int32, int(offsets[-1])),
                offsets,
            )
        return cls(ragged, features.fixed, features.row, model, encoder)

    @classmethod
    def prepared(cls, inputs: PreparedInputs, model: Tokenizes, encoder: TextEncoder) -> FeatureStore:
        """Inputs without labels, as a decoder prepares them."""
        return cls.of(Features(ragged=inputs.encoded.ragged, fixed={}, row=inputs.row), model, encoder)

    def __len__(self) -> int:
        return len(self.row)

    def batch(self, indices: np.ndarray, epoch: int = 0) -> Batch:
        """The features at `indices`, padded to the longest: name -> tensor [features, ...] on the CPU.

        They are the same in every epoch; `AugmentedFeatures` has others.
        """
        import torch

        made: dict[str, np.ndarray] = {}
        for name, (values, offsets) in self._ragged.items():
            starts, lengths = offsets[indices], offsets[indices + 1] - offsets[indices]
            width = max(int(lengths.max(initial=0)), 1)
            real = filled(lengths, width, self._side)
            padded = np.full((len(indices), width), self._padding.get(name, 0), np.int64)
            padded[real] = values[ranges(starts, lengths)]
            made[name] = padded
            if name == "input_ids" and self._wants_mask:
                made["attention_mask"] = real.astype(np.int64)
        for name, column in self._fixed.items():
            made[name] = column[indices]
        return {name: torch.from_numpy(array) for name, array in made.items()}

    def column(self, name: str) -> np.ndarray:
        """A fixed feature, or one of the extras: [features, ...]; ragged ones are filled up with -1."""
        found = self._extras.get(name)
        if found is None:
            return self._fixed[name]
        if not isinstance(found, tuple):
            column: np.ndarray = found
            return column
        values, offsets = found
        lengths = np.diff(offsets)
        padded = np.full((len(lengths), int(lengths.max(initial=1))), -1, values.dtype)
        padded[filled(lengths, padded.shape[1])] = values
        return padded

    @classmethod
    def build(cls, rows: pa.Table, model: Tokenizes, encoder: TextEncoder, path: Path) -> FeatureStore:
        """Tokenise `rows` into `path` unless it is there already."""
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            with publishing(path) as made, tempfile.TemporaryDirectory(dir=made.parent) as parts:
                _write(rows, model, encoder, Path(parts), made)
        return cls.open(path, model, encoder)

    def has_tokens_of(self, other: FeatureStore) -> bool:
        """Whether each feature has the very token ids of the other store's."""
        pairs = zip(self._ragged["input_ids"], other._ragged["input_ids"], strict=True)
        return all(np.array_equal(own, theirs) for own, theirs in pairs)

    def token_counts(self) -> np.ndarray:
        """How often each token id occurs, int64 [largest id + 1]."""
        return np.bincount(self._ragged["input_ids"][0])


def _write(rows: pa.Table, model: Tokenizes, encoder: TextEncoder, folder: Path, path: Path) -> None:
    """Append the columns to flat files in `folder` chunk by chunk, then map those into one Arrow record batch."""
    columns: dict[str, BinaryIO] = {}
    types: dict[str, np.dtype] = {}
    widths: dict[str, int] = {}
    ragged: set[str] = set()

    def append_lists(name: str, lists: Sequence[Sequence[int] | np.ndarray]) -> None:
        ragged.add(name)
        lengths = np.fromiter(map(len, lists), np.int64, len(lists))
        append(f"{name}/lengths", lengths)
        if len(lists) and isinstance(lists[0], np.ndarray):
            append(name, np.concatenate(lists).astype(np.int32))
        else:
            append(name, np.fromiter(chain.from_iterable(lists), np.int32, int(lengths.sum())))

    def append(name: str, array: np.ndarray) -> None:
        if name not in columns:
            columns[name] = (folder / f"{len(columns)}.raw").open("wb")
            types[name] = array.dtype
            widths[name] = array.shape[1] if array.ndim == 2 else 0
        columns[name].write(np.ascontiguousarray(array).data)

    for start in range(0, max(rows.num_rows, 1), _CHUNK):
        made = model.encode(rows.slice(start, _CHUNK), encoder)
        append("row", (made.row + start).astype(np.int64))
        for name, fixed in made.fixed.items():
            append(name, fixed)
        for name, lists in made.ragged.items():
            append_lists(name, lists)
        for name, values in made.extras.items():
            if isinstance(values, np.ndarray):
                append(_EXTRA + name, values)
            else:
                append_lists(_EXTRA + name, values)

    def mapped(name: str) -> np.ndarray:
        file = columns[name]
        file.close()
        size = Path(file.name).stat().st_size
        return np.memmap(file.name, types[name], mode="r") if size else np.empty(0, types[name])

    arrays: dict[str, pa.Array] = {}
    for name in columns:
        if name in ragged:
            offsets = np.concatenate([[0], np.cumsum(mapped(f"{name}/lengths"))]).astype(np.int64)
            arrays[name] = pa.LargeListArray.from_arrays(offsets, pa.array(mapped(name)))
        elif "/" not in name:
            values = pa.array(mapped(name))
            arrays[name] = pa.FixedSizeListArray.from_arrays(values, widths[name]) if widths[name] else values
    batch = pa.record_batch(list(arrays.values()), names=list(arrays))
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, batch.schema) as writer:
        writer.write_batch(batch)
