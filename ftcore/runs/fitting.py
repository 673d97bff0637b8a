"""One fine-tuning of a run: on some rows, measured on others, with checkpoints of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch
from accelerate.utils import set_seed

from ftcore.data.tables import Split
from ftcore.evaluation.predict import LossSum, predict
from ftcore.events import Emit
from ftcore.families.tuning import tuned
from ftcore.modeling.device import torch_device
from ftcore.runs.techniques import (
    features_to_train_on,
    frozen_trunk_runs_once,
    head_from_probe,
    model_to_train,
)
from ftcore.runs.training_inputs import TrainingInputs
from ftcore.training.checkpoint import CheckpointStore
from ftcore.training.engine import fine_tune
from ftcore.training.job import Job, Validation
from ftcore.training.malloc import release
from ftcore.training.stopping import StopRequest

#: Gets the outputs of every evaluation, name -> float32 [features, ...].
Keep = Callable[[Mapping[str, np.ndarray]], None]


@dataclass(frozen=True)
class Fit:
    """What one fine-tuning is about.

    Args:
        train: the rows to train on.
        held_out: the rows to measure on, so that the best evaluation is kept; None trains to the end.
        checkpoints: their folder.
        emit: gets the events.
        share: of the steps after which training ends.
        keep: gets the outputs of every evaluation; they, and not the model, are what this training is for.
    """

    train: Split
    held_out: Split | None
    checkpoints: Path
    emit: Emit
    share: float = 1.0
    keep: Keep | None = None


def fresh_model(inputs: TrainingInputs) -> torch.nn.Module:
    """The model before its first step, on the device: the same each time, and with it what is random from here on.

    The memory of an earlier training is given back first.
    """
    release()
    set_seed(inputs.spec.training.seed)
    model = model_to_train(inputs.family, inputs.base, inputs.spec, inputs.events.warn)
    return model.to(torch_device())


def fit(inputs: TrainingInputs, model: torch.nn.Module, what: Fit, stop: StopRequest, resume: bool) -> None:
    """Train `model`, which `fresh_model` made, in place.

    Raises:
        Interrupted, RunFailed, UserError: see `fine_tune`.
    """
    training, family, warn = inputs.training, inputs.family, inputs.events.warn
    metric = inputs.evaluation.metric
    train = inputs.rows_to_train_on(what.train)
    features = inputs.features(train)
    # A copy has the label of another text, which no head should start from.
    labelled = features if train is what.train else inputs.features(what.train)

    def locations(indices: np.ndarray) -> list[str]:
        found: list[str] = train.locations.take(np.unique(features.row[indices])).to_pylist()
        return found

    store = CheckpointStore(
        what.checkpoints, lambda text: what.emit("warning", message=text), inputs.spec_sha256
    )
    probed = getattr(training, "head_start", None) == "probe"
    job = Job(
        training=training,
        family=family.model,
        model=model,
        train=features_to_train_on(
            features,
            train.table,
            family,
            inputs.encoder,
            inputs.spec,
            inputs.hooks,
            partial(inputs.teacher_outputs, train),
            warn,
        ),
        locations=locations,
        validate=_validation(inputs, what.held_out, what.keep) if what.held_out else None,
        metric=metric,
        higher_is_better=family.scoring.higher_is_better(metric),
        checkpoints=store,
        emit=what.emit,
        stop=stop,
        resume=resume,
        evaluate_first=probed and what.held_out is not None,
        share=what.share,
        trial=what.keep is not None,
    )
    stores = [features, *([] if labelled is features else [labelled])]
    stores += [inputs.features(what.held_out)] if what.held_out else []
    starts, read = probed and not (resume and store.steps()), None
    if starts:
        what.emit("activity", what=f"starting the head from {len(labelled):,} rows as the base reads them")
        if inputs.refits and not (training.freeze and training.freeze.trunk):
            read = inputs.head_inputs.of(model, family.model, what.train)
    with frozen_trunk_runs_once(model, family.model, stores, inputs.spec.training, warn):
        if starts:
            head_from_probe(model, family.model, inputs.base, labelled, warn, read)
        fine_tune(job)


def _validation(
    inputs: TrainingInputs, rows: Split, keep: Keep | None
) -> Callable[[torch.nn.Module], Validation]:
    """Measures a model on some rows, with thresholds that are tuned on them each time."""
    evaluation, family = inputs.evaluation, inputs.family
    references, features = family.reader.references(rows.table), inputs.features(rows)

    def validate(current: torch.nn.Module) -> Validation:
        loss = LossSum()
        outputs = predict(current, family, features, evaluation.batch_size, together=True, loss=loss)
        scoring = tuned(family, outputs, features, rows.table).scoring
        answers = scoring.answers(outputs, features, rows.table)
        if keep:
            keep(outputs)
        return Validation(evaluation.evaluator.values(references, answers), loss.mean)

    return validate
