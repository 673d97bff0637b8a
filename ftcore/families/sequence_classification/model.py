"""The family `sequence_classification`: one label, several labels or a number for a text or a pair of texts."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
import transformers
from torch.nn import functional as F

from ftcore.families import losses
from ftcore.families.base import Batch, Family, Features, RowError, Scorer, Scores, Stored, length_plan
from ftcore.families.encoder_graph import encoder_graph
from ftcore.families.sequence_classification.label_order import PROBLEM_TYPES, in_order, teacher_order
from ftcore.families.sequence_classification.labels import check_names, label_name, label_set, natural
from ftcore.families.sequence_classification.metrics import (
    MultiLabelMeasures,
    RegressionMeasures,
    SingleLabelMeasures,
)
from ftcore.families.sequence_classification.spec import SequenceClassificationSpec
from ftcore.modeling.base_model import BaseModel, load_weights, with_dropout
from ftcore_export.graph import Graph
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.encoding import TextEncoder

Answer = Any  # LabelAnswer, LabelsAnswer or ValueAnswer, as the spec's `problem` says


class SequenceClassification(Family[SequenceClassificationSpec]):
    """Encoder with a classification or regression head."""

    name: ClassVar[str] = "sequence_classification"

    def __init__(self, spec: SequenceClassificationSpec) -> None:
        super().__init__(spec)
        self.problem = spec.data.problem
        self.labels: list[str] = []
        self.class_weights: list[float] | None = None
        self.counts: list[int] = []

    # -- rows ----------------------------------------------------------------------------------------------
    @property
    def schema(self) -> pa.Schema:
        """text, text_pair (null without pairs), label (string, list of strings or double), weight."""
        label = {
            "single_label": pa.string(),
            "multi_label": pa.list_(pa.string()),
            "regression": pa.float64(),
        }
        return pa.schema(
            [
                ("text", pa.string()),
                ("text_pair", pa.string()),
                ("label", label[self.problem]),
                ("weight", pa.float32()),
            ]
        )

    @property
    def columns(self) -> Mapping[str, str]:
        """The source's name of each field that is read."""
        return self.spec.data.columns.model_dump(exclude_none=True)

    def parse(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """One source row -> text, text_pair, label, weight."""
        names = self.spec.data.columns
        return {
            "text": _text(row, names.text),
            "text_pair": _text(row, names.text_pair) if names.text_pair else None,
            "label": self._label(row[names.label], names.label),
            "weight": _weight(row[names.weight], names.weight) if names.weight else 1.0,
        }

    def _label(self, value: Any, column: str) -> Any:  # noqa: ANN401 (as the problem says)
        if self.problem == "regression":
            return _number(value, column)
        if self.problem == "single_label":
            label = label_name(value, column)
            if not label:
                raise RowError("the label is empty", column)
            return label
        return label_set(value, column, self.spec.data.label_separator, self.spec.data.labels)

    def strata(self, table: pa.Table) -> np.ndarray | None:
        """The label; for several labels, their combination; none for a regression."""
        if self.problem == "regression":
            return None
        label = table["label"].combine_chunks()
        if self.problem == "multi_label":
            label = pc.binary_join(label, "\x1f")
        return label.dictionary_encode().indices.to_numpy(zero_copy_only=False).astype(np.int64)

    @property
    def texts(self) -> tuple[str, ...]:
        """The text, and its pair."""
        return ("text", "text_pair") if self.spec.data.columns.text_pair else ("text",)

    def groups(self, table: pa.Table) -> pa.ChunkedArray:
        """The text (and its pair), without case and outer space."""
        text = pc.utf8_lower(pc.utf8_trim_whitespace(table["text"]))
        if self.spec.data.columns.text_pair:
            pair = pc.utf8_lower(pc.utf8_trim_whitespace(table["text_pair"]))
            text = pc.binary_join_element_wise(text, pair, "\x1f")
        return text

    def fit(self, train: pa.Table) -> None:
        """Label names (as given, or sorted; numbers by value), rows of each, and class weights."""
        if self.problem == "regression":
            return
        column = pc.list_flatten(train["label"]) if self.problem == "multi_label" else train["label"]
        counted = {item["values"]: item["counts"] for item in pc.value_counts(column).to_pylist()}
        name = self.spec.data.columns.label
        self.labels = list(self.spec.data.labels or sorted(counted, key=natural))
        if self.problem == "multi_label" and not self.spec.data.labels:
            check_names(self.labels, name, self.spec.data.label_separator)
        if len(counted) < 2:
            raise RowError(
                f"the training rows have {len(counted)} different label(s); at least 2 are needed", name
            )
        self.counts = [counted.get(label, 0) for label in self.labels]
        self.class_weights = self._class_weights()

    def _class_weights(self) -> list[float] | None:
        """Weight of each label in the loss; the mean over the labels that have rows weighs rows alike."""
        training = self.spec.training
        weights = training.class_weights
        if weights == "none":
            return None
        if isinstance(weights, dict):
            if strangers := sorted(set(weights) - set(self.labels)):
                what = f"training.class_weights names {strangers[0]!r}, which is no label"
                raise RowError(what, self.spec.data.columns.label)
            return [weights.get(label, 1.0) for label in self.labels]
        counts = [float(count) for count in self.counts]
        if weights == "effective_number":  # Cui et al. 2019: the n-th row of a label adds beta^(n-1) to it
            beta = training.effective_number_beta
            counts = [(1.0 - beta**count) / (1.0 - beta) for count in counts]
        share = sum(counts) / max(1, sum(count > 0 for count in counts))
        return [share / count if count else 1.0 for count in counts]

    def check(self, table: pa.Table) -> tuple[int, RowError] | None:
        """The first row with a label that is not one of `labels`."""
        if self.problem == "regression":
            return None
        known = set(self.labels)
        for index, value in enumerate(table["label"].to_pylist()):
            for label in value if isinstance(value, list) else (value,):
                if label not in known:
                    shown = ", ".join(self.labels[:8]) + (", ..." if len(self.labels) > 8 else "")
                    what = f"unknown label {label!r}; the labels are {shown}"
                    return index, RowError(what, self.spec.data.columns.label)
        return None

    @property
    def state(self) -> dict[str, Any]:
        """Label names, rows of each, and class weights."""
        return {"labels": self.labels, "counts": self.counts, "class_weights": self.class_weights}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take over label names, rows of each, and class weights."""
        self.labels = list(state["labels"])
        self.counts = list(state["counts"])
        self.class_weights = state["class_weights"]

    # -- features and model --------------------------------------------------------------------------------
    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Tokens of the texts; `labels` int64 [rows] or float32 [rows, labels]; `weight` float32 [rows]."""
        pairs = rows["text_pair"].to_pylist() if self.spec.data.columns.text_pair else None
        encoded = encoder.encode(rows["text"].to_pylist(), pairs)
        return Features(
            ragged=encoded.ragged,
            fixed={"labels": self._targets(rows["label"]), "weight": rows["weight"].to_numpy()},
            row=np.arange(rows.num_rows, dtype=np.int64),
            aside={"cut": encoded.truncated.astype(np.int8)},
        )

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Lengths, and rows cut."""
        cut = int(features.column("cut").sum())
        return length_plan(rows.num_rows, features, cut, self.spec.model.max_length)

    def _targets(self, label: pa.ChunkedArray) -> np.ndarray:
        if self.problem == "regression":
            return label.to_numpy().astype(np.float32)
        index = {name: i for i, name in enumerate(self.labels)}
        values = label.to_pylist()
        if self.problem == "single_label":
            return np.asarray([index[value] for value in values], dtype=np.int64)
        hot = np.zeros((len(values), len(self.labels)), dtype=np.float32)
        for row, names in enumerate(values):
            hot[row, [index[name] for name in names]] = 1.0
        return hot

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with a head of one logit a label (one output for a regression)."""
        config = with_dropout(base.config, self.spec.model.dropout)
        config.problem_type = PROBLEM_TYPES[self.problem]
        if self.problem == "regression":
            config.num_labels = 1
        else:
            config.id2label = dict(enumerate(self.labels))
            config.label2id = {name: i for i, name in enumerate(self.labels)}
        return load_weights(transformers.AutoModelForSequenceClassification, base, config)

    def build_teacher(self, base: BaseModel) -> torch.nn.Module:
        """The teacher, with its logits in the order of `labels`."""
        order = teacher_order(base.config, self.problem, self.labels)
        return in_order(super().build_teacher(base), order)

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """`logits`, float32 [rows, labels]."""
        inputs = {name: value for name, value in batch.items() if name not in {"labels", "weight"}}
        return {"logits": model(**inputs).logits.float()}

    def loss(self, outputs: Mapping[str, torch.Tensor], batch: Batch) -> torch.Tensor:
        """Weighted sum of cross-entropy, binary cross-entropy (mean over labels), squared error or Huber loss."""
        training = self.spec.training
        logits, target = outputs["logits"], batch["labels"]
        by_class = None if self.class_weights is None else logits.new_tensor(self.class_weights)
        smoothing, gamma = training.label_smoothing, training.focal_gamma
        if self.problem == "single_label":
            if training.logit_adjustment:
                logits = logits + training.logit_adjustment * self._log_prior(logits)
            rows = losses.cross_entropy(logits, target, smoothing=smoothing, gamma=gamma)
        elif self.problem == "multi_label":
            rows = losses.binary_cross_entropy(
                logits, target, smoothing=smoothing, gamma=gamma, by_label=by_class
            )
        elif training.loss == "huber":
            rows = F.huber_loss(logits.squeeze(-1), target, delta=training.huber_delta, reduction="none")
        else:
            rows = F.mse_loss(logits.squeeze(-1), target, reduction="none")
        return (rows * self._row_weights(batch)).sum()

    def _row_weights(self, batch: Batch) -> torch.Tensor:
        """The rows' weights, each times its class's weight where there is one label, float32 [rows]."""
        weight = batch["weight"]
        if self.class_weights is None or self.problem != "single_label":
            return weight
        return weight * weight.new_tensor(self.class_weights)[batch["labels"]]

    def distillation(
        self,
        outputs: Mapping[str, torch.Tensor],
        teacher: Mapping[str, torch.Tensor],
        batch: Batch,
        temperature: float,
    ) -> torch.Tensor:
        """Weighted sum of the rows' divergence; squared difference, without temperature, for a regression."""
        student, taught = outputs["logits"], teacher["logits"]
        if self.problem == "single_label":
            rows = losses.distillation_kl(student, taught, temperature)
        elif self.problem == "multi_label":
            rows = losses.distillation_bernoulli_kl(student, taught, temperature)
        else:
            rows = (student - taught).square().squeeze(-1)
        return (rows * self._row_weights(batch)).sum()

    def _log_prior(self, like: torch.Tensor) -> torch.Tensor:
        """Log of each label's share of the training rows (logit adjustment, Menon et al. 2021), [labels]."""
        counts = like.new_tensor(self.counts).clamp(min=1.0)
        return (counts / counts.sum()).log()

    def divergence(
        self, one: Mapping[str, torch.Tensor], other: Mapping[str, torch.Tensor], batch: Batch
    ) -> torch.Tensor:
        """Weighted sum of the rows' symmetric divergence; squared difference for a regression."""
        a, b = one["logits"], other["logits"]
        if self.problem == "single_label":
            rows = losses.symmetric_kl(a, b)
        elif self.problem == "multi_label":
            rows = losses.symmetric_bernoulli_kl(a, b)
        else:
            rows = (a - b).square().squeeze(-1)
        return (rows * batch["weight"]).sum()

    def weight(self, batch: Batch) -> torch.Tensor:
        """Sum of the rows' weights, each times its class's weight where there is one label."""
        return self._row_weights(batch).sum()

    # -- answers and metrics -------------------------------------------------------------------------------
    @property
    def default_metric(self) -> str:
        """What picks the best checkpoint: accuracy, micro F1 or mean squared error."""
        return {"single_label": "accuracy", "multi_label": "f1_micro", "regression": "mse"}[self.problem]

    def higher_is_better(self, metric: str) -> bool:
        """Errors are better small, everything else large."""
        return metric not in {"mse", "mae", "hamming_loss"}

    def point(self, metric: str) -> float:
        """Errors of a number, or in steps of a scale, are on that scale."""
        return 1.0 if metric in {"mse", "mae"} else 0.01

    @property
    def decoder(self) -> dict[str, Any]:
        """Labels in the order of the logits, threshold, and the scale of ordered labels."""
        scale = None
        if self.spec.ordered:
            scale = np.linspace(-1.0, 1.0, len(self.labels)).tolist()
        return {
            "name": self.name,
            "problem": self.problem,
            "labels": self.labels,
            "threshold": self.spec.evaluation.threshold,
            "polarity": scale,
            "pair": self.spec.data.columns.text_pair is not None,
        }

    def answers(self, outputs: Mapping[str, np.ndarray], features: Stored, rows: pa.Table) -> list[Answer]:
        """One answer a row; features and rows are the same here."""
        return make_decoder(self.decoder).decode(dict(outputs))

    def inputs(self, rows: pa.Table) -> list[Any]:
        """The texts, or pairs of texts."""
        texts = rows["text"].to_pylist()
        if not self.spec.data.columns.text_pair:
            return texts
        return list(zip(texts, rows["text_pair"].to_pylist(), strict=True))

    def references(self, rows: pa.Table) -> list[Any]:
        """Label name, list of label names, or number."""
        return rows["label"].to_pylist()

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
        return Scores(measures.values(np.arange(len(references))), measures.details())

    def scorer(self, references: Sequence[Any], answers: Sequence[Answer]) -> Scorer:
        """The metrics of any resample."""
        return self._measures(references, answers).values

    # -- export --------------------------------------------------------------------------------------------
    def graphs(self, model: torch.nn.Module, encoder: TextEncoder) -> list[Graph]:
        """One graph, `model`: token ids to logits; any batch, any length."""
        return [encoder_graph(model, encoder, ["logits"])]


def _text(row: Mapping[str, Any], column: str) -> str:
    value = row[column]
    if not isinstance(value, str):
        raise RowError(f"expected text, got {value!r}", column)
    if not value.strip():
        raise RowError("the text is empty", column)
    return value


def _number(value: Any, column: str) -> float:  # noqa: ANN401
    try:
        number = float(value) if not isinstance(value, bool) else math.nan
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise RowError(f"expected a finite number, got {value!r}", column)
    return number


def _weight(value: Any, column: str | None) -> float:  # noqa: ANN401
    if value is None or value == "":
        return 1.0
    weight = _number(value, column or "weight")
    if weight < 0:
        raise RowError(f"a weight cannot be negative: {value!r}", column)
    return weight
