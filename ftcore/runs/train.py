"""The step `train`: rehearse, fine-tune, and keep the model."""

from __future__ import annotations

from functools import partial

from ftcore import processes
from ftcore.runs.base_checks import check_unknown
from ftcore.runs.fitting import Fit, fit, fresh_model
from ftcore.runs.model_folder import keep_model
from ftcore.runs.parts import both
from ftcore.runs.rehearsal import rehearse
from ftcore.runs.selection import choose, refits, rows_to_choose_on
from ftcore.runs.techniques import model_to_keep
from ftcore.runs.workspace import Workspace
from ftcore.training.sharding import full_state, is_sharded
from ftcore.training.stopping import StopRequest


def train_once(workspace: Workspace, stop: StopRequest, resume: bool) -> None:
    """Fine-tune with one seed; with `training.refit` once more on all rows, for as long as was best."""
    spec, events, splits, family = workspace.spec, workspace.events, workspace.splits, workspace.family
    features = workspace.features(splits.train)
    for split in (splits.train, splits.validation):
        plan = family.model.plan(split.table, workspace.features(split))
        events.emit("planned", split=split.name, plan=plan)
    longest = workspace.encoder.config.max_length
    if longest < spec.model.max_length:
        events.warn(
            f"model.max_length {spec.model.max_length} was lowered to the {longest} tokens that the base model reads"
        )
    check_unknown(features, spec.model.base, events.warn)
    refit = refits(workspace)
    model = fresh_model(workspace)
    events.emit(
        "model_built",
        parameters=sum(p.numel() for p in model.parameters()),
        max_length=longest,
        tokens=int(features.lengths.sum()),
    )
    rehearse(model, workspace.evaluation_inputs, workspace.encoder, spec, rows_to_choose_on(workspace))
    checkpoints = workspace.folder.checkpoints
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
        whole = model_to_keep(model, family, workspace.base, spec, events.warn)
        keep_model(workspace.folder, workspace.base, whole, weights)
