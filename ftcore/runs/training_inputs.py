"""What every fine-tuning of a run shares: rows, family, base model, settings."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ftcore.data import Splits
from ftcore.data.copies import with_copies
from ftcore.data.tables import Split
from ftcore.events import EventLog
from ftcore.families.bound import BoundFamily
from ftcore.modeling.base_model import BaseModel
from ftcore.runs.evaluation_inputs import EvaluationInputs, FeaturesOf
from ftcore.runs.head_inputs import HeadInputs
from ftcore.runs.parts import both
from ftcore.spec.sections import Spec
from ftcore.spec.training import TrainingSpec
from ftcore_runtime.encoding import TextEncoder


@dataclass(frozen=True)
class TrainingInputs:
    """What a model of this run is made from, and measured with while it trains.

    Args:
        evaluation: rows and metrics.
        spec: as it was resolved, which leaves to the recipe what `training` has.
        training: the section `training` with nothing left open.
        base: the base model.
        encoder: its tokenizer.
        hooks: the plugin's (a pluggy hook relay).
        features: the rows of a split as the model reads them.
        teacher_outputs: the outputs of the teacher of `model.distill_from` for the rows of a split: name ->
            float32 [features, ...].
        spec_sha256: of the resolved spec's file, which checkpoints go by.
        events: the run's.
    """

    evaluation: EvaluationInputs
    spec: Spec
    training: TrainingSpec
    base: BaseModel
    encoder: TextEncoder
    hooks: Any
    features: FeaturesOf
    teacher_outputs: Callable[[Split], Mapping[str, np.ndarray]]
    spec_sha256: str
    events: EventLog

    @property
    def family(self) -> BoundFamily:
        """The family, with everything that it learnt from the rows."""
        return self.evaluation.family

    @property
    def splits(self) -> Splits:
        """The run's rows."""
        return self.evaluation.splits

    def rows_to_train_on(self, rows: Split) -> Split:
        """Some rows, with the copies of them that a teacher is to answer, too.

        Raises:
            UserError: the spec asks for copies that cannot be made.
        """
        if not (copies := self.spec.training.copies):
            return rows
        return with_copies(rows, self.family.reader, copies, self.spec.training.seed)

    @cached_property
    def head_inputs(self) -> HeadInputs:
        """What a head reads of all rows that may be trained on, read once."""
        return HeadInputs(both(self.splits), self.features)

    @property
    def refits(self) -> bool:
        """Whether all rows train in the end."""
        return bool(getattr(self.training, "refit", False))

    @property
    def folds(self) -> int:
        """Trials that choose for how long."""
        return getattr(self.training, "folds", None) or 1
