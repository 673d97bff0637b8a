"""The steps of a run, one after another: train, evaluate, export. Each can be taken on its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import set_seed

from ftcore.data.features import FeatureStore
from ftcore.errors import CheckFailed, ExitCode, Interrupted, UserError
from ftcore.evaluation.evaluate import prediction_lines
from ftcore.evaluation.predict import predict
from ftcore.files import write_atomic, write_json
from ftcore.runs.export import export_bundle
from ftcore.runs.folder import Step
from ftcore.runs.workspace import Workspace
from ftcore.training.checkpoint import CheckpointStore
from ftcore.training.engine import Job, fine_tune
from ftcore.training.stopping import StopRequest, listen
from ftcore_export.runtime.answers import to_jsonl

_REHEARSED = 8  # rows

ALL_STEPS: Sequence[Step] = ("train", "evaluate", "export")


def take_steps(workspace: Workspace, steps: Sequence[Step], *, resume: bool = False) -> None:
    """Take these steps and keep the run's status true, whatever happens.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the run says "interrupted" and can be resumed.
        CheckFailed: a tolerance was not met; everything is there.
    """
    folder = workspace.folder
    folder.mark("running")
    actions = {"train": train, "evaluate": evaluate, "export": export}
    try:
        with listen() as stop:
            for step in steps:
                workspace.events.emit("step_started", step=step)
                actions[step](workspace, stop, resume)
                folder.update(steps=[*(s for s in folder.record()["steps"] if s != step), step])
        folder.mark("finished")
        workspace.events.emit("run_finished")
    except (Interrupted, KeyboardInterrupt) as why:
        folder.mark("interrupted")
        workspace.events.emit("run_interrupted")
        raise why if isinstance(why, Interrupted) else Interrupted(ExitCode.INTERRUPTED) from None
    except BaseException as error:
        folder.mark("failed", error=str(error))
        workspace.events.emit("run_failed", error=str(error))
        raise
    finally:
        workspace.events.close()


def train(workspace: Workspace, stop: StopRequest, resume: bool) -> None:
    """Fine-tune, and keep the best model as a Hugging Face folder."""
    spec, events = workspace.spec, workspace.events
    set_seed(spec.training.seed)
    features = workspace.features("train")
    model = workspace.family.build(workspace.base)
    events.emit(
        "model_built",
        parameters=sum(p.numel() for p in model.parameters()),
        max_length=workspace.encoder.config.max_length,
        tokens=int(features.lengths.sum()),
    )
    validation = workspace.splits["validation"].table
    references = workspace.family.references(validation)
    validation_features = workspace.features("validation")
    stop.check()

    def validate(current: torch.nn.Module) -> dict[str, float]:
        outputs = predict(current, workspace.family, validation_features, spec.evaluation.batch_size)
        answers = workspace.family.answers(outputs, validation_features.row, validation)
        return workspace.evaluator.values(references, answers)

    metric = _rehearse(workspace, model)
    fine_tune(
        Job(
            training=spec.training,
            family=workspace.family,
            model=model,
            train=features,
            validate=validate,
            metric=metric,
            higher_is_better=workspace.family.higher_is_better(metric),
            checkpoints=CheckpointStore(
                workspace.folder.checkpoints, lambda text: events.emit("warning", message=text)
            ),
            emit=events.emit,
            stop=stop,
            resume=resume,
        )
    )
    workspace.keep_model(model)


def _rehearse(workspace: Workspace, model: torch.nn.Module) -> str:
    """Evaluate the untrained model on a few rows: what would fail after an hour of training fails now.

    Returns:
        the name of the monitored metric.

    Raises:
        UserError: no metric of this task has the name that the spec gives.
    """
    family = workspace.family
    rows = workspace.splits["validation"].table.slice(0, _REHEARSED)
    with tempfile.TemporaryDirectory() as scratch:
        features = FeatureStore.build(rows, family, workspace.encoder, Path(scratch) / "features.arrow")
        answers = family.answers(predict(model, family, features, len(rows)), features.row, rows)
    known = workspace.evaluator.values(family.references(rows), answers)
    name = workspace.spec.evaluation.metric or workspace.task.task.metric or family.default_metric
    if name not in known:
        raise UserError(
            f"no metric {name!r}; this task has {', '.join(sorted(known))}", where="evaluation.metric"
        )
    return name


def evaluate(workspace: Workspace, stop: StopRequest, resume: bool) -> None:
    """Measure the fine-tuned model in float32 on validation and test, with intervals."""
    spec, folder = workspace.spec.evaluation, workspace.folder
    model = workspace.fine_tuned()
    measured: dict[str, Any] = {}
    for split in ("validation", "test"):
        stop.check()
        rows, features = workspace.splits[split].table, workspace.features(split)
        outputs = predict(model, workspace.family, features, spec.batch_size)
        answers = workspace.family.answers(outputs, features.row, rows)
        evaluation = workspace.evaluator.measure(
            workspace.family.references(rows), answers, resamples=spec.bootstrap, confidence=spec.confidence
        )
        measured[split] = evaluation.to_json()
        write_atomic(
            folder.predictions(split), to_jsonl(prediction_lines(workspace.family, rows, evaluation))
        )
        workspace.events.emit("measured", split=split, metrics=measured[split]["metrics"])
    write_json(folder.metrics_file, {"confidence": spec.confidence, "splits": measured})


def export(workspace: Workspace, stop: StopRequest, resume: bool) -> None:
    """Write the bundle, and hold every variant of it against torch on real rows.

    Raises:
        CheckFailed: a variant is over its tolerance.
    """
    stop.check()
    problems = export_bundle(workspace)
    if problems:
        raise CheckFailed("; ".join(problems))
