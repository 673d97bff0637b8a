"""The step `train`: rehearse, fine-tune, and keep the model."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path

import torch

from ftcore import processes
from ftcore.data.features import FeatureStore
from ftcore.errors import UserError
from ftcore.evaluation.predict import predict
from ftcore.runs.base_checks import check_batch_mates, check_unknown
from ftcore.runs.fitting import Fit, fit, fresh_model
from ftcore.runs.parts import both
from ftcore.runs.selection import choose, refits
from ftcore.runs.techniques import model_to_keep
from ftcore.runs.workspace import Workspace
from ftcore.training.sharding import full_state, is_sharded
from ftcore.training.stopping import StopRequest

_REHEARSED = 8  # rows


def train_once(workspace: Workspace, stop: StopRequest, resume: bool) -> None:
    """Fine-tune with one seed; with `training.refit` once more on all rows, for as long as was best."""
    spec, events = workspace.spec, workspace.events
    features = workspace.features("train")
    for split in ("train", "validation"):
        rows = workspace.splits[split].table
        events.emit("planned", split=split, plan=workspace.family.model.plan(rows, workspace.features(split)))
    longest = workspace.encoder.config.max_length
    if longest < spec.model.max_length:
        text = f"model.max_length {spec.model.max_length} was lowered to the {longest} tokens that the base model reads"
        events.emit("warning", message=text)
    check_unknown(features, spec.model.base, lambda text: events.emit("warning", message=text))
    refit = refits(workspace)
    model = fresh_model(workspace)
    events.emit(
        "model_built",
        parameters=sum(p.numel() for p in model.parameters()),
        max_length=workspace.encoder.config.max_length,
        tokens=int(features.lengths.sum()),
    )
    _rehearse(workspace, model)
    splits, checkpoints = workspace.splits, workspace.folder.checkpoints
    last = Fit(splits.train, splits.validation, checkpoints, events.emit)
    if refit:
        share = choose(workspace, stop, resume)
        rows = both(splits)
        events.emit("refit_started", rows=rows.table.num_rows, share=share)
        last = Fit(rows, None, checkpoints, partial(events.emit, phase="refit"), share=share)
        model = fresh_model(workspace)
        resume &= checkpoints.is_dir()
    fit(workspace, model, last, stop, resume)
    weights = full_state(model) if is_sharded(model) else None
    if processes.is_first():
        workspace.keep_model(model_to_keep(workspace, model), weights)


def _rehearse(workspace: Workspace, model: torch.nn.Module) -> None:
    """Evaluate the untrained model on a few rows: what would fail after an hour of training fails now.

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
