"""Rows of the family `token_classification`: texts and the entities in them; the labels of entities."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.errors import RowError
from ftcore.families.reader import Reader
from ftcore.families.spelling import unknown_label
from ftcore.families.token_classification.rows import addresses_are_whole, parse_row
from ftcore.families.token_classification.spec import TokenClassificationSpec


@dataclass(frozen=True)
class FittedEntities:
    """What the training rows teach.

    Args:
        labels: of entities, in the order of their tags.
        counts: training rows that have one of each.
        whole_addresses: handles, hashtags, URLs and addresses of mail are a word each.
    """

    labels: tuple[str, ...] = ()
    counts: tuple[int, ...] = ()
    whole_addresses: bool = False

    @property
    def label_counts(self) -> dict[str, int]:
        """Label -> training rows that have one."""
        return dict(zip(self.labels, self.counts, strict=True))

    def to_json(self) -> dict[str, Any]:
        """As `EntityReader.restore` reads it."""
        return asdict(self)


class EntityReader(Reader[TokenClassificationSpec, FittedEntities]):
    """Reads texts and the entities in them."""

    @property
    def schema(self) -> pa.Schema:
        """text; starts, ends (characters) and labels of its entities, in order."""
        places = pa.list_(pa.int32())
        return pa.schema(
            [("text", pa.string()), ("starts", places), ("ends", places), ("labels", pa.list_(pa.string()))]
        )

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field that is read."""
        names: Mapping[str, str] = self.spec.data.columns.model_dump()
        return names

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row -> a row of `schema`, whose entities begin and end with words."""
        return parse_row(row, self.spec.data)

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """Which labels a text has."""
        kinds = [" ".join(sorted(set(labels))) for labels in table["labels"].to_pylist()]
        found: np.ndarray = pa.array(kinds).dictionary_encode().indices.to_numpy(zero_copy_only=False)
        return found.astype(np.int64)

    def memberships(self, table: pa.Table) -> tuple[np.ndarray, np.ndarray] | None:
        """Every label of every row, unless the spec names the labels itself."""
        if self.spec.data.labels:
            return None
        labels = table["labels"].combine_chunks()
        codes = pc.list_flatten(labels).dictionary_encode().indices.to_numpy(zero_copy_only=False)
        pairs = np.stack([pc.list_parent_indices(labels).to_numpy().astype(np.int64), codes.astype(np.int64)])
        rows, codes = np.unique(pairs, axis=1)
        return rows, codes

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The text, without case and outer space."""
        return pc.utf8_lower(pc.utf8_trim_whitespace(table["text"]))

    def fit(self, train: pa.Table) -> FittedEntities:
        """The labels, how many rows have them, and whether their entities let addresses be whole.

        Raises:
            RowError: no training row has an entity.
        """
        counts = Counter(label for labels in train["labels"].to_pylist() for label in set(labels))
        if not counts:
            raise RowError("no training row has an entity", self.spec.data.columns.entities)
        labels = tuple(self.spec.data.labels or sorted(counts))
        choice = self.spec.model.addresses
        whole = choice == "whole" or (choice == "auto" and addresses_are_whole(train))
        return FittedEntities(labels, tuple(counts[label] for label in labels), whole)

    def restore(self, value: Mapping[str, Any]) -> FittedEntities:
        """What `to_json` gave; earlier versions knew no whole addresses."""
        return FittedEntities(
            tuple(value["labels"]), tuple(value["counts"]), value.get("whole_addresses", False)
        )

    def check(self, table: pa.Table, fitted: FittedEntities) -> tuple[int, RowError] | None:
        """The first row with a label that is not one of `labels`."""
        known = set(fitted.labels)
        for index, labels in enumerate(table["labels"].to_pylist()):
            if strangers := sorted({*labels} - known):
                what = unknown_label(strangers[0], fitted.labels)
                return index, RowError(what, self.spec.data.columns.entities)
        return None

    def inputs(self, rows: pa.Table) -> list[Any]:
        """The texts."""
        texts: list[Any] = rows["text"].to_pylist()
        return texts

    def references(self, rows: pa.Table) -> list[list[dict[str, Any]]]:
        """The entities of each text, as a bundle gives them, without scores."""
        columns = (rows[name].to_pylist() for name in ("text", "starts", "ends", "labels"))
        return [
            [
                {"text": text[start:end], "label": label, "start": start, "end": end}
                for start, end, label in zip(starts, ends, labels, strict=True)
            ]
            for text, starts, ends, labels in zip(*columns, strict=True)
        ]
