"""Which recipe a classifier is trained with, by rows, rows a label and base model.

With few rows the head decides: one that starts at random takes more steps than there are, and pulls the base model's
representations apart meanwhile. Linear probing, then fine-tuning (Kumar et al. 2022) starts it where a regression on
the frozen representations ends. With many rows the start no longer matters, and a fresh head with a rate of its own
costs less.

The steps from the probe on contrast rows as well: what makes texts of one label alike, and of two unlike, is what few
rows say most of (SetFit, Tunstall et al. 2022, which trains on such pairs first and fits a head to them afterwards).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ftcore.families.recipe import HEAD_FACTOR, PLAIN, PLAIN_RECIPE, Recipe, usual_rate

#: Rows up to which a head starts from the probe; above, one pass over the rows costs more than it brings.
PROBED_ROWS = 10_000
#: Rows a label (the median) from which a fresh head learns as much.
PLENTY = 500
#: Validation rows from a file of their own from which they tell whether fine-tuning beats the probe.
JUDGES = 30
#: Rows up to which those that were held out train in the end: above, a tenth more changes little and costs as much.
REFIT_ROWS = 5_000
#: Rows, of training and validation, up to which folds choose: a validation split of a tenth has too few. Of several
#: labels folds always choose, since thresholds of rare labels need all the rows that there are.
FOLDED_ROWS = 1_000
#: Five choose alike, and a run on few rows takes a third longer with them.
FOLDS = 3
#: Fewest optimizer steps of a recipe that starts from the probe, and most passes that are taken for them.
PROBE_STEPS, PROBE_PASSES = 160, 10
#: Times the loss of pairs of rows that is added on the way from the probe, if a step has as many rows as there are
#: labels: else hardly two rows of a batch share one.
CONTRAST = 3.0
#: Evaluations of a training on few rows: each writes a checkpoint.
EVALUATIONS = 4
#: Of a fresh head.
FRESH_HEAD_RATE = 5e-3


@dataclass(frozen=True)
class Shape:
    """What a recipe is chosen by.

    Args:
        rows: training rows.
        validation: validation rows.
        counts: training rows of each label; empty for a regression.
        step: rows of an optimizer step.
        rate: the learning rate, where the spec gives one.
        known: labels that the base model's own head knows already.
        held_out: whether the validation rows come out of `data.train`, and nothing else needs them.
        several: whether a row may have several labels.
        size: of the base model's hidden states.
        contrasted: whether rows can be contrasted in what the head reads, and the spec asks for nothing against it.
    """

    rows: int
    validation: int
    counts: Sequence[int]
    step: int
    rate: float | None = None
    known: int = 0
    held_out: bool = False
    several: bool = False
    size: int = 0
    contrasted: bool = False

    @property
    def usual_rate(self) -> float:
        """The learning rate of a base model of this size."""
        return usual_rate(self.size)

    @property
    def each(self) -> int:
        """Rows of the median label; all rows of a regression."""
        return sorted(self.counts)[len(self.counts) // 2] if self.counts else self.rows

    def __str__(self) -> str:
        labels = f", {self.each:,} a label (the median of {len(self.counts)})" if self.counts else ""
        return f"{self.rows:,} rows{labels}"


def choose(requested: str, shape: Shape) -> Recipe:
    """The recipe that `training.recipe` asks for, or for `auto` the one that fits."""
    few = shape.rows <= PROBED_ROWS and (not shape.counts or shape.each < PLENTY)
    if requested == "plain":
        return PLAIN_RECIPE
    if requested == "auto" and shape.known:
        why = f"the base model's own head knows {shape.known} of the labels, and goes on as it is"
        return Recipe("plain", why, {**PLAIN, "learning_rate": shape.usual_rate})
    if requested == "probe" or (requested == "auto" and few):
        return _from_probe(shape)
    head = {"head_start": "random", "head_learning_rate": max(FRESH_HEAD_RATE, shape.rate or 0.0)}
    training = {**PLAIN, "learning_rate": shape.usual_rate, **head}
    why = f"{shape}: many, so a head that starts at random learns fast at a rate of its own"
    return Recipe("fresh_head", why if requested == "auto" else str(shape), training)


def _from_probe(shape: Shape) -> Recipe:
    """Fine-tuning from the probe, which stays where held-out rows do not show a gain."""
    rate = shape.usual_rate
    head = {"head_start": "probe", "head_learning_rate": HEAD_FACTOR * (shape.rate or rate)}
    why = f"{shape}: few, so the head starts from a regression on the base model's representations"
    steps = math.ceil(shape.rows / shape.step)
    epochs = min(PROBE_PASSES, max(4, math.ceil(PROBE_STEPS / steps)))
    every = max(1, math.ceil(epochs * steps / EVALUATIONS))
    last: dict[str, Any] = {}
    whole = shape.rows + shape.validation
    if shape.held_out and whole <= REFIT_ROWS:
        folds = FOLDS if whole <= FOLDED_ROWS or shape.several else 1
        measured = f"{folds} folds" if folds > 1 else f"the {shape.validation:,} validation rows"
        why += f"; {measured} choose how long it is fine-tuned, and then all {whole:,} rows train"
        # The probe, or all steps: what an evaluation on the way gains on so few rows is chance.
        last = {"refit": True, "folds": folds}
        every = math.ceil(epochs * steps)
    elif shape.validation < JUDGES:
        epochs = 0
        why += (
            f", and stays there: {shape.validation} validation rows cannot show whether fine-tuning is better"
        )
    contrasted = shape.contrasted and epochs and len(shape.counts) <= shape.step
    pairs = {"contrast": CONTRAST} if contrasted else {}
    training = {
        "epochs": float(epochs),
        "learning_rate": rate,
        "evaluate_every": every,
        **head,
        **pairs,
        **last,
    }
    return Recipe("probe", why, {**PLAIN, **training})
