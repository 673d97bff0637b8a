"""Answers and metrics of the family `sequence_classification`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.families.model import Stored
from ftcore.families.policies import (
    check_rows,
    choose_temperature,
    conformal_of,
    policy_settings,
    precise_thresholds,
    unmet,
    unmet_labels,
    with_abstention,
)
from ftcore.families.scoring import Scorer, Scores, Scoring
from ftcore.families.sequence_classification.baselines import label_baselines
from ftcore.families.sequence_classification.degenerate import (
    label_warnings,
    labels_warnings,
    value_warnings,
)
from ftcore.families.sequence_classification.measures import MeasuresScorer
from ftcore.families.sequence_classification.metrics import (
    DENSE_LABELS,
    MultiLabelMeasures,
    RegressionMeasures,
    SingleLabelMeasures,
)
from ftcore.families.sequence_classification.probabilities import OF_PROBABILITIES, ProbabilityMeasures
from ftcore.families.sequence_classification.reader import FittedLabels
from ftcore.families.sequence_classification.spec import SequenceClassificationSpec
from ftcore.families.sequence_classification.thresholds import best_thresholds
from ftcore.families.sequence_classification.windows import pooled_windows
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder
from ftcore_runtime.decoders.windowed import PooledDecoder
from ftcore_runtime.policy import PLAIN, Policy
from ftcore_runtime.windows import firsts_of

_FEW = 10  # labels in an answer's scores where there are many
Answer = Any  # LabelAnswer, LabelsAnswer or ValueAnswer, as the spec's `problem` says


class LabelScoring(Scoring[SequenceClassificationSpec, FittedLabels]):
    """Decodes and measures labels and numbers."""

    def __init__(self, spec: SequenceClassificationSpec, fitted: FittedLabels) -> None:
        super().__init__(spec, fitted)
        self.problem = spec.data.problem
        self.labels = list(fitted.labels)

    @property
    def default_metric(self) -> str:
        """What picks the best checkpoint: accuracy, micro F1 or mean squared error."""
        return {"single_label": "accuracy", "multi_label": "f1_micro", "regression": "mse"}[self.problem]

    @property
    def decoder(self) -> dict[str, Any]:
        """Labels in the order of the logits, thresholds, and the scale of ordered labels."""
        scale = None
        if self.spec.ordered:
            scale = np.linspace(-1.0, 1.0, len(self.labels)).tolist()
        return {
            "name": "sequence_classification",
            "problem": self.problem,
            "labels": self.labels,
            "threshold": self.spec.evaluation.threshold or list(self.fitted.thresholds or ()) or 0.5,
            "polarity": scale,
            "pair": self.spec.data.columns.text_pair is not None,
            **policy_settings(self.policy),
            **self.windows_setting,
        }

    @property
    def windows_setting(self) -> dict[str, Any]:
        """How long texts are read, as a decoder has it; nothing where they are cut."""
        windows = pooled_windows(self.spec.model)
        return {} if windows is None else {"windows": windows.to_json()}

    def of_rows(
        self, outputs: Mapping[str, np.ndarray], features: Stored
    ) -> tuple[Mapping[str, np.ndarray], np.ndarray]:
        """Outputs and labels of the rows, from those of their features."""
        decoder = make_decoder(self.decoder)
        assert isinstance(decoder, PooledDecoder)
        firsts = firsts_of(features.row)
        return decoder.pooled(outputs, features.row), features.column("labels")[firsts]

    def tune(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> FittedLabels:
        """The policy, and the thresholds of several labels: with the precision that is asked, or the best F1, here."""
        if self.problem == "regression":
            return self.fitted
        spec = self.spec.policy
        outputs, labels = self.of_rows(outputs, features)
        logits = outputs["logits"]
        right = labels > 0 if self.problem == "multi_label" else labels
        temperature, doubt = choose_temperature(spec, logits.astype(np.float64), right)
        policy = Policy(temperature)
        fitted = replace(self.fitted, policy=policy, notes=() if doubt is None else (doubt,))
        decoder = make_decoder(LabelScoring(self.spec, fitted).decoder)
        assert isinstance(decoder, SequenceClassificationDecoder)
        probabilities = decoder.probabilities(outputs)
        if self.problem == "multi_label":
            if self.spec.evaluation.threshold is not None:
                return fitted
            found = best_thresholds(probabilities, right)
            if spec.target_precision is not None:
                found = precise_thresholds(probabilities, right, spec.target_precision)
            return replace(fitted, thresholds=tuple(found))
        if (sets := spec.conformal) is not None:
            conformal = conformal_of(probabilities, right, sets.method, sets.coverage)
            policy = replace(policy, conformal=conformal)
        best = probabilities.argmax(axis=1)
        return replace(fitted, policy=with_abstention(policy, spec, probabilities.max(axis=1), best == right))

    @property
    def policy(self) -> Policy:
        """What was chosen."""
        return self.fitted.policy

    def without_policy(self) -> FittedLabels:
        """All but the policy."""
        return replace(self.fitted, policy=PLAIN)

    @property
    def notes(self) -> tuple[str, ...]:
        """Why there is no temperature."""
        return self.fitted.notes

    def unmet(self, decoder: SequenceClassificationDecoder) -> list[str]:
        """A precision that no confidence, or no threshold of a label, reaches."""
        spec = self.spec.policy
        if self.problem != "multi_label" or len(decoder.thresholds) < len(self.labels):
            return unmet(decoder.policy, spec)
        return unmet_labels(dict(zip(self.labels, decoder.thresholds, strict=True)), spec)

    @property
    def precision_metrics(self) -> tuple[str, ...]:
        """Of several labels precision and recall of all of them together."""
        return ("precision_micro", "recall_micro") if self.problem == "multi_label" else ()

    def check_policy(self, validation_rows: int) -> None:
        """Refuse what the validation rows are too few for."""
        check_rows(self.spec.policy, validation_rows)

    @property
    def top_k(self) -> int | None:
        """As the spec says; else all labels, or a few of many: memory and files grow with rows times labels."""
        return self.spec.evaluation.top_k or (None if len(self.labels) <= DENSE_LABELS else _FEW)

    def answers(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> list[Answer]:
        """One answer a row."""
        return make_decoder(self.decoder).decode(self.of_rows(outputs, features)[0], top_k=self.top_k)

    def comparable(self, references: Sequence[Any], answers: Sequence[Answer]) -> tuple[list[Any], list[Any]]:
        """Label names, sorted lists of them, or numbers."""
        if self.problem == "multi_label":
            return [sorted(one) for one in references], [sorted(answer.labels) for answer in answers]
        field = "label" if self.problem == "single_label" else "value"
        return list(references), [getattr(answer, field) for answer in answers]

    def _measures(
        self, references: Sequence[Any], answers: Sequence[Answer]
    ) -> SingleLabelMeasures | MultiLabelMeasures | RegressionMeasures:
        if self.problem == "single_label":
            return SingleLabelMeasures(
                references, [a.label for a in answers], self.labels, ordered=self.spec.ordered
            )
        if self.problem == "multi_label":
            return MultiLabelMeasures(references, [a.labels for a in answers], self.labels)
        return RegressionMeasures(references, [a.value for a in answers])

    def score(self, references: Sequence[Any], answers: Sequence[Answer]) -> Scores:
        """Every metric, with the confusion matrix and the table of classes."""
        measures = self._measures(references, answers)
        values, rows = measures.values(np.arange(len(references))), np.arange(len(references))
        if (probabilities := self._probabilities(references, answers)) is not None:
            values = {**values, **probabilities.values(rows), **probabilities.ranking()}
        return Scores(values, measures.details())

    def scorer(self, references: Sequence[Any], answers: Sequence[Answer]) -> Scorer:
        """The metrics of any resample; those of rankings cost too much for that."""
        probabilities = self._probabilities(references, answers)
        parts = (self._measures(references, answers), probabilities)
        return MeasuresScorer([part for part in parts if part is not None])

    def _probabilities(
        self, references: Sequence[Any], answers: Sequence[Answer]
    ) -> ProbabilityMeasures | None:
        if self.problem == "regression":
            return None
        return ProbabilityMeasures.of(references, [answer.scores for answer in answers], self.labels)

    @property
    def of_probabilities(self) -> frozenset[str]:
        """Log loss, Brier score and calibration error."""
        return frozenset(OF_PROBABILITIES)

    @property
    def biased(self) -> frozenset[str]:
        """The calibration error: a resample of calibrated answers is not calibrated."""
        return frozenset({"ece"})

    def correct(self, references: Sequence[Any], answers: Sequence[Answer]) -> np.ndarray | None:
        """Whether the label, or the whole set of labels, is the right one; None of numbers."""
        if self.problem == "regression":
            return None
        if self.problem == "single_label":
            return np.asarray([r == a.label for r, a in zip(references, answers, strict=True)], dtype=bool)
        same = (set(r) == set(a.labels) for r, a in zip(references, answers, strict=True))
        return np.fromiter(same, dtype=bool, count=len(answers))

    @property
    def proportions(self) -> frozenset[str]:
        """Accuracy, and what equals it where each row has one label."""
        if self.problem == "single_label":
            return frozenset({"accuracy", "precision_micro", "recall_micro", "f1_micro", "recall_weighted"})
        return frozenset({"accuracy"})

    def classes(self, references: Sequence[Any]) -> np.ndarray | None:
        """Index of the label; None of several labels."""
        if self.problem != "single_label":
            return None
        index = {label: i for i, label in enumerate(self.labels)}
        return np.asarray([index[label] for label in references], dtype=np.int64)

    @property
    def class_averages(self) -> frozenset[str]:
        """The macro averages."""
        return frozenset({"precision_macro", "recall_macro", "f1_macro"})

    def baselines(self, train: pa.Table, rows: pa.Table) -> Mapping[str, Sequence[Answer]]:
        """The most frequent answer, and a linear SVM on TF-IDF; the mean of a number."""
        return label_baselines(self.problem, self.labels, train, rows)

    def warnings(self, references: Sequence[Any], answers: Sequence[Answer]) -> list[str]:
        """One answer for all rows, or nothing learnt."""
        judge: Any = {
            "single_label": label_warnings,
            "multi_label": labels_warnings,
            "regression": value_warnings,
        }[self.problem]
        return list(judge(references, answers))
