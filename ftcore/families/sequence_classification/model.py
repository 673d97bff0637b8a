"""The torch part of the family `sequence_classification`: an encoder with a classification or regression head."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import torch
import transformers
from torch.nn import functional as F

from ftcore.errors import ModelError
from ftcore.families import losses
from ftcore.families.model import Batch, Features, Model, Outputs, Stored
from ftcore.families.plans import length_plan, window_plan
from ftcore.families.recipe import Recipe, step_rows
from ftcore.families.sequence_classification.classifier import build_classifier
from ftcore.families.sequence_classification.label_names import in_words, is_a_word
from ftcore.families.sequence_classification.label_order import require_same_labels
from ftcore.families.sequence_classification.probe import fit_probe
from ftcore.families.sequence_classification.reader import FittedLabels
from ftcore.families.sequence_classification.recipe import Shape, choose
from ftcore.families.sequence_classification.spec import SequenceClassificationSpec
from ftcore.families.sequence_classification.windows import pooled_windows
from ftcore.families.teachers import checked_teacher
from ftcore.modeling.base_model import BaseModel, with_dropout
from ftcore.modeling.heads import has_classifier
from ftcore.modeling.pooling import Pooling, best_pooling, pooled_classifier, trained_pooling
from ftcore.modeling.weights import labels_of
from ftcore_runtime.encoding import TextEncoder

#: Labels up to which their names are read: as rows of several labels they take the square of it.
_NAMED_LABELS = 2_000


class LabelModel(Model[SequenceClassificationSpec, FittedLabels]):
    """Encoder with a head of one logit a label, or one output."""

    #: Whether `pooled`, where there is one, is among the outputs of a model that does not train, too.
    answers_with_pooled = False

    def __init__(self, spec: SequenceClassificationSpec, fitted: FittedLabels) -> None:
        super().__init__(spec, fitted)
        self.problem = spec.data.problem
        self.labels = fitted.labels
        self.class_weights = fitted.class_weights
        self.windows = pooled_windows(spec.model)

    @property
    def encoding_key(self) -> Mapping[str, Any]:
        """The labels, whose indices are the targets, and how long texts are cut."""
        windows = {} if self.windows is None else {"windows": self.windows.to_json()}
        return {"labels": list(self.labels), **windows}

    def encode(self, rows: pa.Table, encoder: TextEncoder) -> Features:
        """Tokens of the texts; `labels` int64 [features] or float32 [features, labels]; `weight` float32 [features].

        Every window of a text has its label; its weight is shared among them.
        """
        texts = rows["text"].to_pylist()
        if self.windows is not None:
            encoded, row = self.windows.encode(encoder, texts)
        else:
            pairs = rows["text_pair"].to_pylist() if self.spec.data.columns.text_pair else None
            encoded, row = encoder.encode(texts, pairs), np.arange(rows.num_rows)
        share = (rows["weight"].to_numpy() / np.maximum(np.bincount(row, minlength=rows.num_rows), 1))[row]
        return Features(
            ragged=encoded.ragged,
            fixed={"labels": self._targets(rows["label"])[row], "weight": share.astype(np.float32)},
            row=row.astype(np.int64),
            extras={"cut": encoded.truncated.astype(np.int8)},
        )

    def plan(self, rows: pa.Table, features: Stored) -> dict[str, Any]:
        """Lengths, rows cut, and windows."""
        cut = int(features.column("cut").sum())
        plan = length_plan(rows.num_rows, features, cut, features.encoder.config.max_length)
        return plan if self.windows is None else {**plan, **window_plan(rows.num_rows, features)}

    def _targets(self, label: pa.ChunkedArray) -> np.ndarray:
        if self.problem == "regression":
            found: np.ndarray = label.to_numpy().astype(np.float32)
            return found
        index = {name: i for i, name in enumerate(self.labels)}
        values = label.to_pylist()
        if self.problem == "single_label":
            return np.asarray([index[value] for value in values], dtype=np.int64)
        hot = np.zeros((len(values), len(self.labels)), dtype=np.float32)
        for row, names in enumerate(values):
            hot[row, [index[name] for name in names]] = 1.0
        return hot

    @property
    def needs_unseen_rows(self) -> bool:
        """Whether validation rows must stay unseen by the model that is kept."""
        return False

    def build(self, base: BaseModel) -> torch.nn.Module:
        """The base model with a head of one logit a label (one output for a regression).

        Of a head that the base model has already, the rows of labels with the same name are kept.

        Raises:
            ModelError: rows are to be contrasted, and the head is the architecture's own.
        """
        pooling = self.pooling(base)
        if self.spec.training.contrast and pooling == "architecture":
            raise ModelError(
                "it contrasts pooled states, and this base model has a head of its own",
                where="training.contrast",
                hint="give `model.pooling`: mean, first_token, max or last_token; or leave `training.contrast` out",
            )
        return self._build(base, pooling)

    def _build(self, base: BaseModel, pooling: Pooling | Literal["architecture"]) -> torch.nn.Module:
        config = with_dropout(copy.deepcopy(base.config), self.spec.model.dropout)
        kind: Any = transformers.AutoModelForSequenceClassification
        if pooling != "architecture":
            kind = pooled_classifier(config, pooling)
        return build_classifier(base, config, self.problem, self.labels, kind)

    def pooling(self, base: BaseModel) -> Pooling | Literal["architecture"]:
        """What the head of a model made of `base` reads: as the spec has it, or as is best for the base model."""
        if self.spec.model.pooling is not None:
            return self.spec.model.pooling
        return (self.spec.training.recipe != "plain" and best_pooling(base)) or "architecture"

    def build_teacher(self, base: BaseModel) -> torch.nn.Module:
        """The teacher, with its logits in the order of `labels`, all of which it has to know."""
        require_same_labels(base.config, self.problem, self.labels)
        return checked_teacher(base, self._build(base, trained_pooling(base) or "architecture"))

    def choose_recipe(self, base: BaseModel, rows: int, validation: int) -> Recipe:
        """By rows and rows of each label; what the head reads is chosen by the base model."""
        training, counts = self.spec.training, self.fitted.counts
        step = step_rows(training)
        known = set(self.labels) & set(labels_of(base.config)) if has_classifier(base.config) else ()
        gates = self.spec.export.chosen_by
        free = self.spec.data.validation is None and training.refit is not False
        free &= not (gates and gates.min_metric) and not self.needs_unseen_rows
        several = self.problem == "multi_label"
        shape = Shape(
            rows=rows,
            validation=validation,
            counts=counts,
            step=step,
            rate=training.learning_rate,
            known=len(known),
            held_out=free,
            several=several,
            size=base.hidden_size,
            contrasted=self._can_contrast(base),
        )
        recipe = choose(training.recipe, shape)
        extras: dict[str, Any] = {"pooling": self.pooling(base)}
        if recipe.training.get("head_start") == "probe":
            extras["label_names"] = self.probe_texts(base) is not None
        return replace(recipe, extras=extras)

    def _can_contrast(self, base: BaseModel) -> bool:
        """Whether the base model learns from pairs of rows: it trains, and the head reads what it makes of a row."""
        training = self.spec.training
        frozen = training.freeze is not None and training.freeze.trunk
        others = training.mixup or self.spec.model.distill_from
        return (
            self.problem == "single_label" and self.pooling(base) != "architecture" and not (frozen or others)
        )

    def answer_texts(self, base: BaseModel) -> list[str] | None:
        """What a row of each label says: its description in the spec, or its name in words."""
        return self._label_texts(base) if self.problem == "single_label" else None

    def _label_texts(self, base: BaseModel) -> list[str] | None:
        """A text for each label; None without labels or with thousands, and where the base is no sentence encoder."""
        if self.problem == "regression" or self.pooling(base) == "architecture":
            return None
        if len(self.labels) > _NAMED_LABELS:
            return None
        described = self.spec.data.label_descriptions
        return [described.get(label) or in_words(label) for label in self.labels]

    def probe_texts(self, base: BaseModel) -> list[str] | None:
        """The labels' texts, unless the spec does not want them, or a name says nothing."""
        texts = self._label_texts(base) if self.spec.training.label_names is not False else None
        if texts and (self.spec.training.label_names or all(map(is_a_word, texts))):
            return texts
        return None

    def probe(
        self, inputs: np.ndarray, features: Stored, named: np.ndarray | None = None
    ) -> tuple[np.ndarray, np.ndarray]:
        """The head's weights and bias from a regression on what it reads, [labels, size] and [labels]."""
        targets, weights = features.column("labels"), features.column("weight")
        if named is not None:
            lengths = np.linalg.norm(named, axis=1, keepdims=True)
            typical = np.linalg.norm(inputs, axis=1).mean()
            inputs = np.concatenate([inputs, named * (typical / np.maximum(lengths, 1e-9))])
            alone = (
                np.arange(len(named))
                if self.problem == "single_label"
                else np.eye(len(named), dtype=np.float32)
            )
            targets = np.concatenate([targets, alone.astype(targets.dtype)])
            weights = np.concatenate([weights, np.ones(len(named), weights.dtype)])
        if self.class_weights is not None and self.problem == "single_label":
            weights = weights * np.asarray(self.class_weights, np.float32)[targets]
        return fit_probe(self.problem, inputs, targets, weights, max(1, len(self.labels)))

    def outputs(self, model: torch.nn.Module, batch: Batch) -> dict[str, torch.Tensor]:
        """`logits`, float32 [rows, labels]; `pooled`, float32 [rows, size], while pooled states train."""
        made = model(**{name: value for name, value in batch.items() if name not in {"labels", "weight"}})
        outputs = {"logits": made.logits.float()}
        if (model.training or self.answers_with_pooled) and getattr(made, "pooled", None) is not None:
            outputs["pooled"] = made.pooled.float()
        return outputs

    def attributed(self, outputs: Outputs, target: str) -> torch.Tensor:
        """The log-odds of a label; of a regression the number."""
        logits = outputs["logits"]
        if self.problem == "regression":
            return logits[:, 0]
        index = self.labels.index(target)
        if self.problem == "multi_label":
            return logits[:, index]
        return losses.log_odds(logits, index)

    def loss(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
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
        outputs: Outputs,
        teacher: Outputs,
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
        counts = like.new_tensor(self.fitted.counts).clamp(min=1.0)
        return (counts / counts.sum()).log()

    def divergence(self, one: Outputs, other: Outputs, batch: Batch) -> torch.Tensor:
        """Weighted sum of the rows' symmetric divergence; squared difference for a regression."""
        a, b = one["logits"], other["logits"]
        if self.problem == "single_label":
            rows = losses.symmetric_kl(a, b)
        elif self.problem == "multi_label":
            rows = losses.symmetric_bernoulli_kl(a, b)
        else:
            rows = (a - b).square().squeeze(-1)
        return (rows * batch["weight"]).sum()

    def contrast(self, outputs: Outputs, batch: Batch) -> torch.Tensor:
        """The contrastive loss of the rows' pairs by their labels, times the sum of the rows' weights."""
        return losses.contrastive_cosine(outputs["pooled"], batch["labels"], batch["weight"]) * self.weight(
            batch
        )

    def weight(self, batch: Batch) -> torch.Tensor:
        """Sum of the rows' weights, each times its class's weight where there is one label."""
        return self._row_weights(batch).sum()
