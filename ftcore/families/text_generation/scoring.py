"""Answers and metrics of the family `text_generation`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.families.model import Stored
from ftcore.families.scoring import Scorer, Scores, Scoring
from ftcore.families.text_generation.baselines import text_baselines, text_warnings
from ftcore.families.text_generation.metrics import TextMeasures
from ftcore.families.text_generation.reader import FittedTexts
from ftcore.families.text_generation.samples import samples_of
from ftcore.families.text_generation.spec import TextGenerationSpec
from ftcore_runtime.answers import TextAnswer
from ftcore_runtime.decoders.text_generation import TextGenerationDecoder
from ftcore_runtime.generation.packing import unpack


class TextScoring(Scoring[TextGenerationSpec, FittedTexts]):
    """Decodes and measures texts."""

    @property
    def _decoder(self) -> TextGenerationDecoder:
        return TextGenerationDecoder(self.fitted.known_frame, self.fitted.settings(self.spec))

    @property
    def decoder(self) -> dict[str, Any]:
        """The frame of texts, and how they are generated."""
        return {"name": "text_generation", **self._decoder.to_json()}

    @property
    def default_metric(self) -> str:
        """chrF, or ROUGE-L where that is not measured."""
        return "chrf" if "chrf" in self.spec.measures else "rougeL"

    def answers(
        self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table
    ) -> list[TextAnswer]:
        """The texts that were generated."""
        decoder = self._decoder
        return decoder.answers(unpack(outputs), features.encoder.target.tokenizer)

    def samples(self, rows: pa.Table, answers: Sequence[TextAnswer]) -> list[dict[str, str]]:
        """Source, reference and prediction of rows from all over the split; long texts are cut."""
        return samples_of(rows, answers)

    def comparable(
        self, references: Sequence[str], answers: Sequence[TextAnswer]
    ) -> tuple[list[Any], list[Any]]:
        """Texts."""
        return [str(one) for one in references], [answer.text for answer in answers]

    def baselines(self, train: pa.Table, rows: pa.Table) -> Mapping[str, Sequence[TextAnswer]]:
        """What copying gives."""
        return text_baselines(train, rows)

    def warnings(self, references: Sequence[str], answers: Sequence[TextAnswer]) -> list[str]:
        """Answers that are empty, or one and the same."""
        return text_warnings([str(one) for one in references], answers)

    def _measures(self, references: Sequence[str], answers: Sequence[TextAnswer]) -> TextMeasures:
        return TextMeasures(references, answers, self.spec.measures, self.fitted.tokenization)

    def score(self, references: Sequence[str], answers: Sequence[TextAnswer]) -> Scores:
        """The task's metrics, with sacrebleu's signatures."""
        return self._measures(references, answers).scores()

    def scorer(self, references: Sequence[str], answers: Sequence[TextAnswer]) -> Scorer:
        """The metrics of any resample."""
        return self._measures(references, answers).values
