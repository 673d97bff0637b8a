"""Answers and metrics: accuracy of the labels, mean absolute error of the numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.api import Scorer, Scores, Scoring, Stored
from ftcore_label_and_number.reader import Learnt
from ftcore_label_and_number.spec import LabelAndNumberSpec
from ftcore_runtime.api import make_decoder


class LabelAndNumberScoring(Scoring[LabelAndNumberSpec, Learnt]):
    """Decodes and measures."""

    @property
    def decoder(self) -> dict[str, Any]:
        """The decoder's name and settings, as a bundle has them."""
        return {"name": "label_and_number", **self.fitted.to_json(), "labels": list(self.fitted.labels)}

    def answers(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> list[Any]:
        """One answer a row, by the decoder that a bundle has."""
        return list(make_decoder(self.decoder).decode(outputs))

    def comparable(self, references: Sequence[Any], answers: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """The labels, which are equal or not."""
        return [reference["label"] for reference in references], [answer.label for answer in answers]

    def score(self, references: Sequence[Any], answers: Sequence[Any]) -> Scores:
        """Every metric of one split."""
        return Scores(self.scorer(references, answers)(np.arange(len(references))))

    def scorer(self, references: Sequence[Any], answers: Sequence[Any]) -> Scorer:
        """`accuracy` of the labels, `mae` of the numbers."""
        pairs = list(zip(references, answers, strict=True))
        hit = np.array([reference["label"] == answer.label for reference, answer in pairs], float)
        error = np.array([abs(reference["number"] - answer.number) for reference, answer in pairs])
        return lambda rows: {"accuracy": float(hit[rows].mean()), "mae": float(error[rows].mean())}

    @property
    def default_metric(self) -> str:
        """Accuracy."""
        return "accuracy"
