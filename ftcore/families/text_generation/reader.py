"""Rows of the family `text_generation`: a source and a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.errors import RowError
from ftcore.families.reader import Reader
from ftcore.families.text_generation.metrics import Target, require_packages
from ftcore.families.text_generation.spec import TextGenerationSpec, Tokenization
from ftcore.writing_systems import UNSPACED, script_of
from ftcore_runtime.generation.settings import GenerationSettings, Sampling, TextFrame

_LOOKED_AT = 2000  # targets whose script is looked at


@dataclass(frozen=True)
class FittedTexts:
    """What the training rows teach, once the tokenizer is open.

    Args:
        longest: tokens of the longest target of the training rows; None before it was measured.
        tokenization: what is counted of texts.
        frame: what stands around texts, and whether there is an encoder; the tokenizer says it, so it is not kept.
    """

    longest: int | None = None
    tokenization: Tokenization = "13a"
    frame: TextFrame | None = None

    def to_json(self) -> dict[str, Any]:
        """As `TextReader.restore` reads it."""
        return {"longest": self.longest, "tokenization": self.tokenization}

    @property
    def known_frame(self) -> TextFrame:
        """The frame, which must be there."""
        if self.frame is None:
            raise RuntimeError("the tokenizer is opened first")
        return self.frame

    def settings(self, spec: TextGenerationSpec) -> GenerationSettings:
        """How texts are generated; a length that the spec leaves open is that of the longest training target."""
        given = spec.generation
        return GenerationSettings(
            max_length=max(given.max_length or self.longest or 1, given.min_length),
            min_length=given.min_length,
            num_beams=given.num_beams,
            length_penalty=given.length_penalty,
            early_stopping=given.early_stopping,
            no_repeat_ngram_size=given.no_repeat_ngram_size,
            sampling=Sampling(**given.sampling.model_dump()) if given.sampling else None,
            scored=True,
        )


class TextReader(Reader[TextGenerationSpec, FittedTexts]):
    """Reads pairs of texts."""

    @property
    def schema(self) -> pa.Schema:
        """source, target."""
        return pa.schema([("source", pa.string()), ("target", pa.string())])

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field that is read."""
        return self.spec.data.columns.model_dump()

    @property
    def input_columns(self) -> Mapping[str, str]:
        """The source is the text of an input."""
        return {"text": self.spec.data.columns.source}

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Two texts, neither of them empty."""
        return {field: _text(row, column) for field, column in self.columns.items()}

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """None: texts have no classes."""
        return None

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The source, without outer space."""
        return pc.utf8_trim_whitespace(table["source"])

    def fit(self, train: pa.Table) -> FittedTexts:
        """What is counted of texts in the targets' script; what is needed to measure must be there."""
        require_packages(self.spec.measures)
        tokenization = self.spec.evaluation.tokenization
        if tokenization == "auto":
            script = script_of(" ".join(train["target"].slice(0, _LOOKED_AT).to_pylist()))
            tokenization = "zh" if script == "Chinese" else "char" if script in UNSPACED else "13a"
        return FittedTexts(tokenization=tokenization)

    def restore(self, value: Mapping[str, Any]) -> FittedTexts:
        """All of it; what an earlier version wrote says in its spec alone what is counted."""
        return FittedTexts(value["longest"], value.get("tokenization", self.spec.evaluation.tokenization))

    def check(self, table: pa.Table, fitted: FittedTexts) -> tuple[int, RowError] | None:
        """Nothing: any text may be generated."""
        return None

    def inputs(self, rows: pa.Table) -> list[Any]:
        """The sources."""
        found: list[Any] = rows["source"].to_pylist()
        return found

    def references(self, rows: pa.Table) -> list[Target]:
        """The targets, which know their sources."""
        return [Target(row["target"], row["source"]) for row in rows.to_pylist()]


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise RowError(f"expected a text, got {type(value).__name__}", column)
    if not value.strip():
        raise RowError("the text is empty", column)
    return value
