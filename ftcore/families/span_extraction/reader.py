"""Rows of the family `span_extraction`: questions, contexts and answers; whether some have none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.errors import RowError
from ftcore.families.reader import Reader
from ftcore.families.span_extraction.answers import parse_row
from ftcore.families.span_extraction.metrics import Normalisation
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore.writing_systems import UNSPACED, script_of
from ftcore_runtime.policy import PLAIN, Policy

_LOOKED_AT = 2000  # answers whose script is looked at


@dataclass(frozen=True)
class FittedSpans:
    """What the training rows teach.

    Args:
        null_threshold: of no answer; None where every training question has an answer.
        normalisation: what answers are compared as.
        policy: below which confidence an answer abstains, chosen on validation rows.
    """

    null_threshold: float | None = None
    normalisation: Normalisation = "english"
    policy: Policy = PLAIN

    def to_json(self) -> dict[str, Any]:
        """As `SpanReader.restore` reads it."""
        return asdict(self)


class SpanReader(Reader[SpanExtractionSpec, FittedSpans]):
    """Reads questions, contexts, and answers that stand in them."""

    @property
    def schema(self) -> pa.Schema:
        """id, title (null where the source has none), question, context; texts and starts of the answers."""
        text = ("id", "title", "question", "context")
        return pa.schema(
            [
                *((name, pa.string()) for name in text),
                ("answers", pa.list_(pa.string())),
                ("starts", pa.list_(pa.int32())),
            ]
        )

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field that is read."""
        return self.spec.data.columns.model_dump(exclude_none=True)

    @property
    def optional(self) -> frozenset[str]:
        """id and title."""
        return frozenset({"id", "title"})

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row -> a row of `schema`, whose answers stand where they say."""
        return parse_row(row, self.spec.data.columns, self.spec.data.misplaced_answers)

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """Whether a question has an answer."""
        return answerable(table).astype(np.int64)

    @property
    def grouped_by(self) -> tuple[str, str]:
        """Titles; or contexts."""
        if self.spec.data.columns.title is None:
            return "contexts", "give the splits as files"
        return "titles", "set `data.columns.title` to null to keep only questions of one context together"

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The title; the context where there is none; without outer space."""
        return pc.utf8_trim_whitespace(pc.coalesce(table["title"], table["context"]))

    def compared(self, rows: pa.Table) -> list[str]:
        """The context: questions of one context share it, and those of another split must not."""
        found: list[str] = rows["context"].to_pylist()
        return found

    def fit(self, train: pa.Table) -> FittedSpans:
        """Whether some questions have no answer, and what the script of the answers is compared as.

        Raises:
            RowError: none of them has one.
        """
        with_answer = answerable(train)
        if not with_answer.any():
            raise RowError("no training question has an answer", self.spec.data.columns.answers)
        normalisation = self.spec.evaluation.normalisation
        if normalisation == "auto":
            texts = " ".join(train["answers"].combine_chunks().flatten().slice(0, _LOOKED_AT).to_pylist())
            normalisation = "characters" if script_of(texts) in UNSPACED else "english"
        return FittedSpans(None if with_answer.all() else 0.0, normalisation)

    def restore(self, value: Mapping[str, Any]) -> FittedSpans:
        """All of it; what an earlier version wrote says in its spec alone what answers are compared as."""
        policy = Policy.from_json(value["policy"], "policy") if "policy" in value else PLAIN
        normalisation = value.get("normalisation", self.spec.evaluation.normalisation)
        return FittedSpans(value["null_threshold"], normalisation, policy)

    def check(self, table: pa.Table, fitted: FittedSpans) -> tuple[int, RowError] | None:
        """Nothing: a question without an answer is a fair test of a model that always gives one."""
        return None

    @property
    def perturbable(self) -> tuple[str, ...]:
        """The question: answers point into the context."""
        return ("question",)

    def inputs(self, rows: pa.Table) -> list[Any]:
        """Mappings of question and context."""
        found: list[Any] = rows.select(["question", "context"]).to_pylist()
        return found

    def references(self, rows: pa.Table) -> list[list[str]]:
        """The right texts of each question; none where it has no answer."""
        found: list[list[str]] = rows["answers"].to_pylist()
        return found


def answerable(table: pa.Table) -> np.ndarray:
    """Which rows have an answer, bool [rows]."""
    found: np.ndarray = (
        pc.greater(pc.list_value_length(table["answers"]), 0).to_numpy(zero_copy_only=False).astype(bool)
    )
    return found
