"""Answers and metrics of the family `intent_classification`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ftcore.families.intent_classification.metrics import IntentMeasures
from ftcore.families.intent_classification.reader import FittedIntents, outside
from ftcore.families.intent_classification.rejection import (
    ENOUGH,
    best_of,
    quality_by_logits,
    quality_by_rows,
    quality_on_frozen,
    scores_of,
    threshold_for,
)
from ftcore.families.intent_classification.spaces import spaces_of
from ftcore.families.intent_classification.spec import IntentClassificationSpec
from ftcore.families.model import Stored
from ftcore.families.scoring import Frozen, Scorer, Scores
from ftcore.families.sequence_classification.baselines import label_baselines
from ftcore.families.sequence_classification.scoring import LabelScoring
from ftcore_runtime.decoders.intent_classification import OF_LOGITS, IntentAnswer


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
            **({"space": space.to_json()} if (space := self.fitted.spaces.get(self.fitted.method)) else {}),
        }

    def represent(
        self,
        outputs: Mapping[str, np.ndarray],
        features: Stored,
        rows: pa.Table,
        validation: pa.Table,
        frozen: Callable[[], Frozen | None],
    ) -> FittedIntents:
        """What distances to training rows need; and, with few validation rows out of scope, how each method ranks
        intents that nothing was learnt from, on the frozen base model.

        Nothing of a student: its graphs are compared with those of a teacher, who has another space.
        """
        wanted = self.spec.rejection.method
        if wanted in OF_LOGITS or "pooled" not in outputs or self.spec.model.distill_from:
            return self.fitted
        outputs, labels = self.of_rows(outputs, features)
        inside = ~outside(rows, self.spec).to_numpy()
        spaces = spaces_of(outputs["pooled"][inside], labels[inside], len(self.labels))
        fitted = replace(self.fitted, spaces=spaces)
        few = outside(validation, self.spec).to_numpy().sum() < ENOUGH
        if wanted != "auto" or not few or (read := frozen()) is None:
            return fitted
        inputs, targets, weights = read
        kept = weights > 0
        quality = quality_on_frozen(inputs[kept], targets[kept], len(self.labels))
        return replace(fitted, quality=quality)

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> FittedIntents:
        """The method, and the threshold that keeps the wanted share of the rows that have an intent."""
        outputs, labels = self.of_rows(outputs, features)
        logits = np.asarray(outputs["logits"], np.float64)
        inside = ~outside(rows, self.spec).to_numpy()
        scores = scores_of(logits, outputs.get("pooled"), self.fitted.spaces)
        chosen = self._chosen(scores, logits, labels, inside)
        threshold = None
        if inside.any():
            threshold = threshold_for(scores[chosen.method][inside], self.spec.rejection.in_scope_rate)
        spaces = {name: space for name, space in chosen.spaces.items() if name == chosen.method}
        return replace(chosen, threshold=threshold, spaces=spaces)

    def _chosen(
        self, scores: Mapping[str, np.ndarray], logits: np.ndarray, labels: np.ndarray, inside: np.ndarray
    ) -> FittedIntents:
        """The method, with what it was chosen by."""
        wanted, fitted = self.spec.rejection.method, self.fitted
        if fitted.threshold is not None and fitted.method in scores:
            return fitted  # a variant of the graphs rejects as the model does
        if wanted != "auto":  # until the training is over there are no distances
            return replace(fitted, method=wanted if wanted in scores else OF_LOGITS[0], chosen_on="the spec")
        quality: Mapping[str, float]
        if (~inside).sum() >= ENOUGH:
            quality, chosen_on = quality_by_rows(scores, inside), "validation rows out of scope"
        elif fitted.quality:
            quality, chosen_on = fitted.quality, "intents held out of the frozen base model"
        else:
            quality = quality_by_logits(logits[inside], labels[inside])
            chosen_on = "intents whose logits are left out"
        method = best_of(quality, scores)
        return replace(fitted, method=method, chosen_on=chosen_on, quality=quality)

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
        fitted = self.fitted
        chosen = {
            "method": fitted.method,
            "threshold": fitted.threshold,
            "chosen_on": fitted.chosen_on,
            "auroc": dict(fitted.quality),
        }
        details = {**measures.details(), "rejection": chosen}
        return Scores(measures.values(np.arange(len(references))), details)

    def scorer(self, references: Sequence[Any], answers: Sequence[IntentAnswer]) -> Scorer:
        """The metrics of any resample."""
        return self._intents(references, answers).values

    def correct(self, references: Sequence[Any], answers: Sequence[IntentAnswer]) -> np.ndarray:
        """Whether a row gets its intent, or is rejected if it has none."""
        return self._intents(references, answers).right

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
