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
from ftcore.runs.workspace import Workspace
from ftcore.training.checkpoint import CheckpointStore
from ftcore.training.engine import fine_tune
from ftcore.training.job import Job, Validation
from ftcore.training.stopping import StopRequest
from ftcore_runtime.files import sha256

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
        keep: gets the outputs of every evaluation.
    """

    train: Split
    held_out: Split | None
    checkpoints: Path
    emit: Emit
    share: float = 1.0
    keep: Keep | None = None


def fresh_model(workspace: Workspace) -> torch.nn.Module:
    """The model before its first step, on the device: the same each time, and with it what is random from here on."""
    spec = workspace.spec
    set_seed(spec.training.seed)
    model = model_to_train(workspace.family, workspace.base, spec, workspace.events.warn)
    return model.to(torch_device())


def fit(workspace: Workspace, model: torch.nn.Module, fit: Fit, stop: StopRequest, resume: bool) -> None:
    """Train `model`, which `fresh_model` made, in place.

    Raises:
        Interrupted, RunFailed, UserError: see `fine_tune`.
    """
    training, family, spec, warn = workspace.training, workspace.family, workspace.spec, workspace.events.warn
    features = workspace.features(fit.train)

    def locations(indices: np.ndarray) -> list[str]:
        found: list[str] = fit.train.locations.take(np.unique(features.row[indices])).to_pylist()
        return found

    store = CheckpointStore(
        fit.checkpoints,
        lambda text: fit.emit("warning", message=text),
        sha256(workspace.folder.spec_file),
    )
    probed = getattr(training, "head_start", None) == "probe"
    job = Job(
        training=training,
        family=family.model,
        model=model,
        train=features_to_train_on(
            features,
            fit.train.table,
            family,
            workspace.encoder,
            spec,
            workspace.task.hooks,
            partial(workspace.teacher_outputs, fit.train),
        ),
        locations=locations,
        validate=_validation(workspace, fit.held_out, fit.keep) if fit.held_out else None,
        metric=workspace.metric,
        higher_is_better=family.scoring.higher_is_better(workspace.metric),
        checkpoints=store,
        emit=fit.emit,
        stop=stop,
        resume=resume,
        evaluate_first=probed and fit.held_out is not None,
        share=fit.share,
    )
    stores = [features, workspace.features(fit.held_out)] if fit.held_out else [features]
    with frozen_trunk_runs_once(model, family.model, stores, spec.training, warn):
        if probed and not (resume and store.steps()):
            head_from_probe(model, family.model, workspace.base, features, warn)
        fine_tune(job)


def _validation(
    workspace: Workspace, rows: Split, keep: Keep | None
) -> Callable[[torch.nn.Module], Validation]:
    """Measures a model on some rows, with thresholds that are tuned on them each time."""
    references, features = workspace.family.reader.references(rows.table), workspace.features(rows)

    def validate(current: torch.nn.Module) -> Validation:
        loss, batch_size = LossSum(), workspace.spec.evaluation.batch_size
        outputs = predict(current, workspace.family, features, batch_size, together=True, loss=loss)
        family = tuned(workspace.family, outputs, features, rows.table)
        answers = family.scoring.answers(outputs, features, rows.table)
        if keep:
            keep(outputs)
        return Validation(workspace.evaluator.values(references, answers), loss.mean)

    return validate
