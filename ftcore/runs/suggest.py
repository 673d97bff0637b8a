"""Which rows of a pool a run's model would learn most from, and what they are expected to bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ftcore.data import Split, Splits
from ftcore.data.features import FeatureStore
from ftcore.errors import UserError
from ftcore.evaluation.learning_curve import LearningCurve, learning_curve
from ftcore.evaluation.suggestion import diverse, uncertainty
from ftcore.families.bound import BoundFamily
from ftcore.modeling.base_model import BaseModel
from ftcore.modeling.device import torch_device
from ftcore.runs.evaluation_inputs import FeaturesOf
from ftcore.runs.parts import both
from ftcore.training.head_start import inputs_of, last_linear, mean_of_rows, read_rows
from ftcore_runtime.answers import Answer
from ftcore_runtime.decoders import make_decoder
from ftcore_runtime.decoders.sequence_classification import SequenceClassificationDecoder
from ftcore_runtime.encoding import TextEncoder

#: A text, or a pair of texts.
Text = Any


@dataclass(frozen=True)
class Suggestion:
    """One row to label.

    Args:
        index: of it in the pool.
        uncertainty: 0 (sure) to 1.
        answer: the model's.
    """

    index: int
    uncertainty: float
    answer: Answer


@dataclass(frozen=True)
class Suggestions:
    """What to label next.

    Args:
        rows: the least certain one first.
        known: rows of the pool that were passed over: the run has them already, or an earlier row has the same text.
        labelled: rows that the run has learnt from.
        curve: of the probe on those; None where they are too few.
    """

    rows: list[Suggestion]
    known: int
    labelled: int
    curve: LearningCurve | None


@dataclass(frozen=True)
class FineTuned:
    """A run's fine-tuned model, and what it was made from.

    Args:
        task: its id.
        family: with everything that it learnt from the rows.
        model: on the device, in eval mode.
        encoder: its tokenizer.
        base: the base model.
        splits: the run's rows.
        features_of: those of a split as the model reads them.
    """

    task: str
    family: BoundFamily
    model: torch.nn.Module
    encoder: TextEncoder
    base: BaseModel
    splits: Splits
    features_of: FeaturesOf


def suggest(run: FineTuned, pool: Sequence[Text], count: int) -> Suggestions:
    """Choose `count` rows of the pool.

    Raises:
        UserError: the run's answers are no labels, its head reads more than one representation a row, or the pool has
            no row that the run does not know.
    """
    family, model = run.family, run.model
    decoder = make_decoder(family.scoring.decoder)
    if not isinstance(decoder, SequenceClassificationDecoder) or decoder.problem == "regression":
        raise UserError(
            "only a classification has labels to be unsure of",
            where=f"the run's task {run.task!r}",
        )
    new = _new(run, pool)
    if not new:
        raise UserError(
            "the run knows every row of the pool already",
            where="--pool",
            hint="give rows that have no label yet",
        )
    prepared = decoder.prepare([pool[index] for index in new], run.encoder)
    features = FeatureStore.prepared(prepared, family.model, run.encoder)
    layer = last_linear(model)
    inputs = None if layer is None else inputs_of(layer, model, family.model, features)
    if inputs is None or layer is None:
        raise UserError(
            f"the head of {type(model).__name__} reads more than one representation a row",
            where="the run's model",
            hint="give `model.pooling: mean`",
        )
    with torch.inference_mode():
        logits = layer(torch.from_numpy(inputs).to(layer.weight.device)).float().cpu().numpy()
    logits = decoder.pooled({"logits": logits}, prepared.row)["logits"]
    uncertain = uncertainty(
        decoder.problem, decoder.probabilities({"logits": logits}), np.asarray(decoder.thresholds)
    )
    chosen = diverse(mean_of_rows(inputs, prepared.row), uncertain, count)
    answers = decoder.decode({"logits": logits[chosen]})
    rows = [
        Suggestion(new[index], float(uncertain[index]), answer)
        for index, answer in zip(chosen.tolist(), answers, strict=True)
    ]
    labelled = both(run.splits)
    curve = _curve(run, labelled, decoder.problem)
    return Suggestions(rows, len(pool) - len(new), labelled.table.num_rows, curve)


def _new(run: FineTuned, pool: Sequence[Text]) -> list[int]:
    """The indices of the rows whose text neither the run's rows nor an earlier row of the pool have."""
    reader = run.family.reader
    seen = {text for split in run.splits for text in reader.inputs(split.table)}
    new = []
    for index, text in enumerate(pool):
        if text not in seen:
            seen.add(text)
            new.append(index)
    return new


def _curve(run: FineTuned, labelled: Split, problem: str) -> LearningCurve | None:
    """Of the base model's representations: the fine-tuned model has seen the rows, and would be too good on them."""
    model = run.family.model.build(run.base).to(torch_device())
    read = read_rows(model, run.family.model, run.features_of(labelled))
    if read is None:
        return None
    return learning_curve(problem, read.inputs, read.targets, read.weights, run.family.spec.training.seed)
