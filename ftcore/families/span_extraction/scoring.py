"""Answers and metrics of the family `span_extraction`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.families.model import Stored
from ftcore.families.policies import check_rows, policy_settings, unmet, with_abstention
from ftcore.families.scoring import Scorer, Scores, Scoring
from ftcore.families.span_extraction.baselines import span_baselines, span_warnings
from ftcore.families.span_extraction.metrics import SpanMeasures
from ftcore.families.span_extraction.reader import FittedSpans
from ftcore.families.span_extraction.spec import SpanExtractionSpec
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.span_extraction import SpanExtractionDecoder
from ftcore_runtime.decoders.windowed import TokenPlaces
from ftcore_runtime.policy import PLAIN, Policy
from ftcore_runtime.spans import SpanAnswer
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
            **policy_settings(self.policy),
        }

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> FittedSpans:
        """The threshold of no answer with the best F1 on these rows; then the confidence to abstain below."""
        fitted, references = self.without_policy(), rows["answers"].to_pylist()
        if self.fitted.null_threshold is not None:
            measures = self._measures(references, self.answers(outputs, features, rows))
            fitted = replace(fitted, null_threshold=measures.best_threshold())
        if not self.spec.policy.fields_in_use:
            return fitted
        answers = SpanScoring(self.spec, fitted).answers(outputs, features, rows)
        confidence = np.array([answer.score for answer in answers])
        right = self.correct(references, answers)
        return replace(fitted, policy=with_abstention(PLAIN, self.spec.policy, confidence, right))

    @property
    def policy(self) -> Policy:
        """What was chosen."""
        return self.fitted.policy

    def without_policy(self) -> FittedSpans:
        """The threshold of no answer alone."""
        return replace(self.fitted, policy=PLAIN)

    @property
    def notes(self) -> tuple[str, ...]:
        """None: spans have no temperature."""
        return ()

    def unmet(self, decoder: SpanExtractionDecoder) -> list[str]:
        """A precision that no confidence reaches."""
        return unmet(decoder.policy, self.spec.policy)

    @property
    def precision_metrics(self) -> tuple[str, ...]:
        """None: answers abstain."""
        return ()

    def check_policy(self, validation_rows: int) -> None:
        """Refuse a target precision that the rows are too few for."""
        check_rows(self.spec.policy, validation_rows)

    def answers(
        self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table
    ) -> list[SpanAnswer]:
        """The best span of all windows of each row."""
        spans = TokenPlaces(
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

    def baselines(self, train: pa.Table, rows: pa.Table) -> Mapping[str, Sequence[SpanAnswer]]:
        """No answer, where that may be right, and the sentence most like the question."""
        return span_baselines(rows, optional=self.fitted.null_threshold is not None)

    def warnings(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> list[str]:
        """No answers, or always the same."""
        return span_warnings(references, answers)

    def _measures(self, references: Sequence[Sequence[str]], answers: Sequence[SpanAnswer]) -> SpanMeasures:
        return SpanMeasures(references, answers, self.fitted.normalisation)

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
    def of_probabilities(self) -> frozenset[str]:
        """The calibration error of the answers' scores."""
        return frozenset({"ece"})

    @property
    def biased(self) -> frozenset[str]:
        """The calibration error: a resample of calibrated answers is not calibrated."""
        return frozenset({"ece"})

    @property
    def proportions(self) -> frozenset[str]:
        """Exact match."""
        return frozenset({"exact_match"})
