"""Answers and metrics of the family `intent_classification`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.families.intent_classification.metrics import IntentMeasures
from ftcore.families.intent_classification.reader import FittedIntents, outside
from ftcore.families.intent_classification.rejection import choose_method, threshold_for
from ftcore.families.intent_classification.spec import IntentClassificationSpec
from ftcore.families.model import Stored
from ftcore.families.scoring import Scorer, Scores
from ftcore.families.sequence_classification.baselines import label_baselines
from ftcore.families.sequence_classification.scoring import LabelScoring
from ftcore_runtime.decoders.intent_classification import IntentAnswer, scope_scores


class IntentScoring(LabelScoring):
    """Decodes and measures intents."""

    spec: IntentClassificationSpec
    fitted: FittedIntents

    @property
    def decoder(self) -> dict[str, Any]:
        """Intents in the order of the logits, and how others are rejected."""
        return {
            "name": "intent_classification",
            "labels": self.labels,
            "method": self.fitted.method,
            "threshold": self.fitted.threshold,
            **self.windows_setting,
        }

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> FittedIntents:
        """The method, and the threshold that keeps the wanted share of the rows that have an intent."""
        outputs, labels = self.of_rows(outputs, features)
        logits = np.asarray(outputs["logits"], np.float64)
        labels = np.where(outside(rows, self.spec).to_numpy(), -1, labels)
        wanted, inside = self.spec.rejection.method, labels >= 0
        method = choose_method(logits, labels) if wanted == "auto" else wanted
        threshold = None
        if inside.any():
            threshold = threshold_for(scope_scores(logits[inside], method), self.spec.rejection.in_scope_rate)
        return replace(self.fitted, method=method, threshold=threshold)

    def comparable(
        self, references: Sequence[Any], answers: Sequence[IntentAnswer]
    ) -> tuple[list[Any], list[Any]]:
        """Labels; that of none where a text is rejected."""
        return list(references), [answer.label or self.spec.data.out_of_scope for answer in answers]

    def _intents(self, references: Sequence[Any], answers: Sequence[IntentAnswer]) -> IntentMeasures:
        return IntentMeasures(references, answers, self.labels, self.spec.data.out_of_scope)

    def score(self, references: Sequence[Any], answers: Sequence[IntentAnswer]) -> Scores:
        """Every metric, with the table of intents."""
        measures = self._intents(references, answers)
        return Scores(measures.values(np.arange(len(references))), measures.details())

    def scorer(self, references: Sequence[Any], answers: Sequence[IntentAnswer]) -> Scorer:
        """The metrics of any resample."""
        return self._intents(references, answers).values

    def correct(self, references: Sequence[Any], answers: Sequence[IntentAnswer]) -> np.ndarray:
        """Whether a row gets its intent, or is rejected if it has none."""
        return self._intents(references, answers).right

    def higher_is_better(self, metric: str) -> bool:
        """Always."""
        return True

    @property
    def of_probabilities(self) -> frozenset[str]:
        """None."""
        return frozenset()

    @property
    def biased(self) -> frozenset[str]:
        """None."""
        return frozenset()

    @property
    def proportions(self) -> frozenset[str]:
        """Accuracy."""
        return frozenset({"accuracy"})

    def classes(self, references: Sequence[Any]) -> np.ndarray | None:
        """None: some rows have no intent."""
        return None

    @property
    def class_averages(self) -> frozenset[str]:
        """None."""
        return frozenset()

    def baselines(self, train: pa.Table, rows: pa.Table) -> Mapping[str, Sequence[IntentAnswer]]:
        """Those of labels, which reject nothing."""
        learnt = train.filter(pc.invert(outside(train, self.spec)))
        found = label_baselines("single_label", self.labels, learnt, rows)
        return {
            name: [IntentAnswer(one.label, False, 1.0, 0.0, [one.label], one.scores) for one in answers]
            for name, answers in found.items()
        }

    def warnings(self, references: Sequence[Any], answers: Sequence[IntentAnswer]) -> list[str]:
        """One answer for all rows."""
        given = {answer.label for answer in answers}
        if len(given) > 1 or len({*references}) < 2:
            return []
        only = given.pop()
        return ["every row is rejected" if only is None else f"every row gets the same intent, {only!r}"]
