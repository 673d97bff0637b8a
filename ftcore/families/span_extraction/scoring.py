"""Answers and metrics of the family `span_extraction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.families.model import Stored
from ftcore.families.scoring import Scorer, Scores, Scoring
from ftcore.families.span_extraction.metrics import SpanMeasures
from ftcore.families.span_extraction.reader import FittedSpans
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore_runtime.answers import SpanAnswer
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.span_extraction import SpanExtractionDecoder, TokenSpans
from ftcore_runtime.windows import WindowConfig


class SpanScoring(Scoring[SpanExtractionSpec, FittedSpans]):
    """Decodes and measures spans."""

    @property
    def default_metric(self) -> str:
        """F1."""
        return "f1"

    @property
    def top_k(self) -> int:
        """Best spans of each answer; thresholds are tuned on the first."""
        return self.spec.evaluation.top_k

    @property
    def decoder(self) -> dict[str, Any]:
        """How contexts are cut and answers found."""
        windows = WindowConfig(self.spec.model.stride, self.spec.model.max_question_length)
        return {
            "name": "span_extraction",
            "windows": windows.to_json(),
            "max_answer_length": self.spec.evaluation.max_answer_length,
            "null_threshold": self.fitted.null_threshold,
        }

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> FittedSpans:
        """The threshold of no answer with the best F1 on these rows."""
        if self.fitted.null_threshold is None:
            return self.fitted
        measures = self._measures(rows["answers"].to_pylist(), self.answers(outputs, features, rows))
        return FittedSpans(measures.best_threshold())

    def answers(
        self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table
    ) -> list[SpanAnswer]:
        """The best span of all windows of each row."""
        spans = TokenSpans(
            features.row, features.column("begins"), features.column("ends"), rows["context"].to_pylist()
        )
        decoder = make_decoder(self.decoder)
        assert isinstance(decoder, SpanExtractionDecoder)
        return decoder.answers(outputs, spans, self.top_k)

    def comparable(
        self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]
    ) -> tuple[list[Any], list[Any]]:
        """Lists of the right texts, and texts; no answer is the empty text."""
        return [list(one) or [""] for one in references], [answer.text for answer in answers]

    def _measures(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> SpanMeasures:
        return SpanMeasures(references, answers, self.spec.evaluation.normalisation)

    def score(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> Scores:
        """Exact match and F1, and those of questions with and without an answer where there are both."""
        measures = self._measures(references, answers)
        return Scores(measures.values(np.arange(len(references))), measures.details())

    def scorer(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> Scorer:
        """The metrics of any resample."""
        return self._measures(references, answers).values

    def correct(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> np.ndarray:
        """Whether the text is exactly one of the right ones, normalised."""
        return self._measures(references, answers).exact

    @property
    def proportions(self) -> frozenset[str]:
        """Exact match."""
        return frozenset({"exact_match"})
