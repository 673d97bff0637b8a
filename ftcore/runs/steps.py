"""The steps of a run, one after another: train, evaluate, export. Each can be taken on its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate.utils import set_seed

from ftcore import processes
from ftcore.data.features import FeatureStore
from ftcore.errors import CheckFailed, UserError
from ftcore.evaluation.evaluate import Array, groups_of, prediction_lines
from ftcore.evaluation.predict import LossSum, predict
from ftcore.families.scoring import SupportsSamples
from ftcore.families.tuning import tuned
from ftcore.files import write_atomic, write_json
from ftcore.modeling.device import torch_device
from ftcore.runs.base_checks import check_batch_mates, check_unknown
from ftcore.runs.export import export_bundle
from ftcore.runs.folder import Step, versions
from ftcore.runs.judging import judge
from ftcore.runs.seeds import train_seeds
from ftcore.runs.techniques import (
    answer_by_names,
    features_to_train_on,
    frozen_trunk_runs_once,
    head_from_probe,
    model_to_keep,
    model_to_train,
)
from ftcore.runs.workspace import Workspace
from ftcore.training.checkpoint import CheckpointStore
from ftcore.training.engine import Job, Validation, fine_tune
from ftcore.training.sharding import full_state, is_sharded
from ftcore.training.stopping import StopRequest
from ftcore_runtime.answers import to_jsonl
from ftcore_runtime.files import sha256

_REHEARSED = 8  # rows


def take_steps(
    workspace: Workspace, steps: Sequence[Step], stop: StopRequest, *, resume: bool = False
) -> None:
    """Take these steps. Of several processes all train, and the first does everything else.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; the run can be resumed.
        CheckFailed: a check or a tolerance was not met; everything is there.
    """
    folder, events = workspace.folder, workspace.events
    actions = {"train": train, "evaluate": evaluate, "export": export}
    unmet: list[str] = []
    try:
        if resume:
            _warn_of_other_versions(workspace)
        for step in steps:
            if step == "train" or processes.is_first():
                events.emit("step_started", step=step)
                unmet += actions[step](workspace, stop, resume)
            if processes.is_first():
                folder.update(steps=[*(s for s in folder.record()["steps"] if s != step), step])
        if unmet:
            raise CheckFailed("; ".join(unmet))
        events.emit("run_finished")
    except KeyboardInterrupt:
        events.emit("run_interrupted")
        raise
    except BaseException as error:
        # A full disk is a reason to end here; it must not hide behind its own consequence.
        with suppress(OSError):
            events.emit("run_failed", error=str(error))
        raise
    finally:
        events.close()


def _warn_of_other_versions(workspace: Workspace) -> None:
    then, now = workspace.folder.record()["versions"], versions()
    changed = [
        f"{name} {then.get(name)} -> {now.get(name)}"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]
    if changed:
        workspace.events.emit(
            "warning",
            message=f"not what the run began with, so it may not go on bit for bit: {', '.join(changed)}",
        )


def train(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Fine-tune, and keep the best model as a Hugging Face folder; with `training.seeds`, the best of the seeds'."""
    workspace.record_inputs()
    if workspace.spec.training.seeds:
        train_seeds(workspace, stop, _train_once, evaluate)
    else:
        _train_once(workspace, stop, resume)
    return []


def _train_once(workspace: Workspace, stop: StopRequest, resume: bool) -> None:
    spec, events = workspace.spec, workspace.events
    set_seed(spec.training.seed)
    features = workspace.features("train")
    for split in ("train", "validation"):
        rows = workspace.splits[split].table
        events.emit("planned", split=split, plan=workspace.family.model.plan(rows, workspace.features(split)))
    longest = workspace.encoder.config.max_length
    if longest < spec.model.max_length:
        text = f"model.max_length {spec.model.max_length} was lowered to the {longest} tokens that the base model reads"
        events.emit("warning", message=text)
    check_unknown(features, spec.model.base, lambda text: events.emit("warning", message=text))
    training = workspace.training
    model = model_to_train(workspace).to(torch_device())
    events.emit(
        "model_built",
        parameters=sum(p.numel() for p in model.parameters()),
        max_length=workspace.encoder.config.max_length,
        tokens=int(features.lengths.sum()),
    )
    validation = workspace.splits["validation"].table
    references = workspace.family.reader.references(validation)
    validation_features = workspace.features("validation")

    def validate(current: torch.nn.Module) -> Validation:
        loss = LossSum()
        outputs = predict(
            current,
            workspace.family,
            validation_features,
            spec.evaluation.batch_size,
            together=True,
            loss=loss,
        )
        family = tuned(workspace.family, outputs, validation_features, validation)
        answers = family.scoring.answers(outputs, validation_features, validation)
        return Validation(workspace.evaluator.values(references, answers), loss.mean)

    origin = workspace.splits["train"].origin

    def places(indices: np.ndarray) -> list[str]:
        found: list[str] = origin.take(np.unique(features.row[indices])).to_pylist()
        return found

    metric = _rehearse(workspace, model)
    probed = getattr(training, "head_start", None) == "probe"
    job = Job(
        training=training,
        family=workspace.family.model,
        model=model,
        train=features_to_train_on(workspace),
        places=places,
        validate=validate,
        metric=metric,
        higher_is_better=workspace.family.scoring.higher_is_better(metric),
        checkpoints=CheckpointStore(
            workspace.folder.checkpoints,
            lambda text: events.emit("warning", message=text),
            sha256(workspace.folder.spec_file),
        ),
        emit=events.emit,
        stop=stop,
        resume=resume,
        evaluate_first=probed,
    )
    with frozen_trunk_runs_once(workspace, model):
        if probed and not (resume and job.checkpoints.steps()):
            head_from_probe(workspace, model)
        fine_tune(job)
    weights = full_state(model) if is_sharded(model) else None
    if processes.is_first():
        workspace.keep_model(model_to_keep(workspace, model), weights)


def _rehearse(workspace: Workspace, model: torch.nn.Module) -> str:
    """Evaluate the untrained model on a few rows: what would fail after an hour of training fails now.

    Returns:
        the name of the monitored metric.

    Raises:
        UserError: no metric of this task has a name that the spec gives.
    """
    family = workspace.family
    rows = workspace.splits["validation"].table.slice(0, _REHEARSED)
    with tempfile.TemporaryDirectory() as scratch:
        features = FeatureStore.build(rows, family.model, workspace.encoder, Path(scratch) / "features.arrow")
        answers = family.scoring.answers(predict(model, family, features, len(rows)), features, rows)
    check_batch_mates(model, family, rows, workspace.encoder, workspace.spec.model.base)
    known = workspace.evaluator.values(family.reader.references(rows), answers)
    gates = workspace.spec.export.chosen_by
    wanted = {
        "evaluation.metric": [workspace.metric],
        "export.gates.min_metric": gates.min_metric if gates else [],
    }
    for where, names in wanted.items():
        for name in names:
            if name not in known:
                raise UserError(f"no metric {name!r}; this task has {', '.join(sorted(known))}", where=where)
    return workspace.metric


def evaluate(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Measure the fine-tuned model in float32 on validation and test, with intervals, and compare it with baselines.

    Returns:
        the checks that it does not meet, a sentence each.
    """
    spec, folder, reader = workspace.spec.evaluation, workspace.folder, workspace.family.reader
    model = workspace.fine_tuned()
    measured: dict[str, Any] = {}
    for split in ("validation", "test"):
        rows, features = workspace.splits[split].table, workspace.features(split)
        outputs = predict(model, workspace.family, features, spec.batch_size)
        if split == "validation":
            workspace.keep_family(tuned(workspace.family, outputs, features, rows))
        scoring, groups = workspace.family.scoring, groups_of(reader, rows)
        answers = scoring.answers(outputs, features, rows)
        found = workspace.evaluator.measure(reader.references(rows), answers, groups)
        measured[split] = found.to_json()
        if cells := measured[split].pop("confusion_cells", None):  # as many as rows at most
            write_atomic(folder.path / f"confusion.{split}.jsonl", to_jsonl(cells))
        if isinstance(scoring, SupportsSamples):
            measured[split]["samples"] = scoring.samples(rows, answers)
        locations = workspace.splits[split].origin.to_pylist()
        write_atomic(folder.predictions(split), to_jsonl(prediction_lines(reader, rows, locations, found)))
        workspace.events.emit("measured", split=split, metrics=measured[split]["metrics"])
    if spec.zero_shot:
        del model
        measured["test"]["zero_shot"] = _zero_shot(workspace, answers, groups)
    train = workspace.splits["train"].table
    judgement = judge(workspace.evaluator, workspace.metric, train, rows, found, groups)
    measured["test"] |= {"baselines": judgement.baselines, "warnings": judgement.warnings}
    whole = {"metric": workspace.metric, "confidence": spec.confidence, "splits": measured}
    write_json(folder.metrics_file, {**whole, "verdict": judgement.verdict})
    workspace.events.emit("judged", verdict=judgement.verdict, warnings=judgement.warnings)
    if judgement.useless is None or workspace.spec.checks.beats_baseline == "off":
        return []
    if workspace.spec.checks.beats_baseline == "warn":
        workspace.events.emit("warning", message=judgement.useless)
        return []
    return [f"checks.beats_baseline: {judgement.useless}"]


def _zero_shot(workspace: Workspace, fine_tuned: Sequence[Any], groups: Array | None) -> dict[str, Any]:
    """What the base model is worth on the test rows as it is, and what the `fine_tuned` answers have gained."""
    spec, family = workspace.spec.evaluation, workspace.family
    rows, features = workspace.splits["test"].table, workspace.features("test")
    model = family.model.build(workspace.base).to(torch_device())
    answer_by_names(workspace, model)
    outputs = predict(model, family, features, spec.batch_size)
    answers, references = family.scoring.answers(outputs, features, rows), family.reader.references(rows)
    found = workspace.evaluator.measure(references, answers, groups)
    gain = workspace.evaluator.gain(references, answers, fine_tuned, groups)
    return {"metrics": found.to_json()["metrics"], "gain": gain}


def export(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Write the bundle, and compare every variant of it with torch on real rows.

    Returns:
        the tolerances that it does not meet, a sentence each.
    """
    return export_bundle(workspace)
