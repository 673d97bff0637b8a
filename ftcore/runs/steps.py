"""A run from top to bottom: train (choose for how long, train on all rows, keep the model), evaluate, export.

Here stands what is done in which order, and what a step hands to the next; the modules that are called say how. A step
takes from the workspace what it needs where it begins, and passes it on as values.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from ftcore import processes
from ftcore.audit.model import MOST_ROWS_OF_RUN, audit_model
from ftcore.errors import CheckFailed
from ftcore.evaluation.invariance import answers_that_change
from ftcore.evaluation.slices import slices_below
from ftcore.files import write_json
from ftcore.report.render import write_report
from ftcore.runs.auditing import audit_of
from ftcore.runs.base_checks import check_unknown
from ftcore.runs.cross_validation import cross_validate, out_of_fold
from ftcore.runs.evaluation_inputs import EvaluationInputs, HeldOut
from ftcore.runs.export import export_bundle
from ftcore.runs.fitting import Fit, fit, fresh_model
from ftcore.runs.folder import Step, versions
from ftcore.runs.judging import Judgement, judge
from ftcore.runs.model_folder import keep_model
from ftcore.runs.parts import both
from ftcore.runs.rehearsal import rehearse
from ftcore.runs.representations import with_representations
from ftcore.runs.seeds import train_seeds
from ftcore.runs.selection import choose, held_out, rows_to_choose_on
from ftcore.runs.split_evaluation import (
    SplitEvaluation,
    invariance_of,
    measure_split,
    measure_zero_shot,
    predict_split,
    section_of,
    write_split,
)
from ftcore.runs.techniques import Warn, model_to_keep
from ftcore.runs.workspace import Workspace
from ftcore.training.precision import choose_precision
from ftcore.training.sharding import full_state, is_sharded
from ftcore.training.stopping import StopRequest


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
        if processes.is_first() and folder.metrics_file.exists():
            events.emit("activity", what="drawing the report")
            write_report(folder)
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


def _warn_of_other_versions(workspace: Workspace) -> None:
    then, now = workspace.folder.record()["versions"], versions()
    changed = [
        f"{name} {then.get(name)} -> {now.get(name)}"
        for name in {**then, **now}
        if then.get(name) != now.get(name)
    ]
    if changed:
        workspace.events.warn(
            f"not what the run began with, so it may not go on bit for bit: {', '.join(changed)}"
        )


def train(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Fine-tune, and keep the best model as a Hugging Face folder; with `training.seeds`, the best of the seeds'."""
    workspace.record_inputs()
    _audit(workspace)
    if workspace.spec.training.pretrain and not workspace.folder.pretrained.is_dir():
        workspace.pretrain(stop, resume)
    cross_validate(workspace, stop, train_once, evaluate)
    if workspace.spec.training.seeds:
        train_seeds(workspace, stop, train_once, evaluate)
    else:
        train_once(workspace, stop, resume)
    return []


def _audit(workspace: Workspace) -> None:
    """Take down what is in the rows, for the report; unless the spec says not to look."""
    file = workspace.folder.audit_file
    if workspace.spec.checks.audit == "on" and processes.is_first() and not file.exists():
        workspace.events.emit("activity", what="looking at the rows")
        found = audit_of(workspace.family.reader, workspace.splits, workspace.base_dir)
        workspace.events.emit("activity", what="reading rows with the base model")
        precision, _ = choose_precision(workspace.spec.training.precision)
        closer = audit_model(
            workspace, suspects=processes.world() == 1, most_rows=MOST_ROWS_OF_RUN, precision=precision
        )
        found = closer.joined(found)
        write_json(file, found.to_json())
        workspace.events.emit(
            "audited", findings=[[one.severity, one.check, one.what] for one in found.findings]
        )


def train_once(workspace: Workspace, stop: StopRequest, resume: bool) -> None:
    """Fine-tune with one seed; with `training.refit` once more on all rows, for as long as was best."""
    folder, events, splits = workspace.folder, workspace.events, workspace.splits
    _announce(workspace)
    inputs = workspace.training_inputs
    model = fresh_model(inputs)
    events.emit(
        "model_built",
        parameters=sum(p.numel() for p in model.parameters()),
        max_length=inputs.encoder.config.max_length,
        tokens=int(inputs.features(splits.train).lengths.sum()),
    )
    rehearse(model, inputs.evaluation, inputs.encoder, inputs.spec, rows_to_choose_on(inputs))
    last = Fit(splits.train, splits.validation, folder.checkpoints, events.emit)
    if inputs.refits:
        del model  # each training makes its own, which needs the room
        share = choose(inputs, folder.selection_file, stop, resume)
        rows = both(splits)
        events.emit("refit_started", rows=rows.table.num_rows, share=share)
        last = Fit(rows, None, folder.checkpoints, partial(events.emit, phase="refit"), share=share)
        model = fresh_model(inputs)
        resume &= folder.checkpoints.is_dir()
    fit(inputs, model, last, stop, resume)
    weights = full_state(model) if is_sharded(model) else None
    if processes.is_first():
        whole = model_to_keep(model, inputs.family, inputs.base, inputs.spec, events.warn)
        keep_model(folder, inputs.base, whole, weights)


def _announce(workspace: Workspace) -> None:
    """Tell how the rows will be read, and warn of what the base model cannot read of them."""
    spec, events, family = workspace.spec.model, workspace.events, workspace.family
    for split in (workspace.splits.train, workspace.splits.validation):
        plan = family.model.plan(split.table, workspace.features(split))
        events.emit("planned", split=split.name, plan=plan)
    longest = workspace.encoder.config.max_length
    if longest < spec.max_length:
        events.warn(
            f"model.max_length {spec.max_length} was lowered to the {longest} tokens that the base model reads"
        )
    check_unknown(workspace.features("train"), spec.base, events.warn)


def evaluate(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Measure the fine-tuned model in float32 on validation and test, with intervals, and compare it with baselines.

    Returns:
        the checks that it does not meet, a sentence each.
    """
    folder, model, emit = workspace.folder, workspace.fine_tuned(), workspace.events.emit
    splits, features_of, inputs = workspace.splits, workspace.features, workspace.evaluation_inputs
    emit("activity", what="answering the validation rows")
    unseen = held_out(folder.selection_file, inputs, features_of)
    chosen_on = unseen or predict_split(inputs, model, splits.validation, features_of)
    if unseen is None and splits.validation.table.num_rows <= workspace.spec.export.parity_rows:
        workspace.validated = chosen_on.outputs
    # Rows that were held out have been read by other models, in whose spaces these rows lie elsewhere.
    family = inputs.family if unseen else with_representations(workspace, model)
    workspace.keep_family(chosen_on.tuned(family))
    inputs = workspace.evaluation_inputs  # with the thresholds and the policy that these rows have chosen

    sections: dict[str, dict[str, Any]] = {}

    def measure(name: str, rows: HeldOut) -> SplitEvaluation:
        split = measure_split(inputs, rows)
        write_split(folder, name, inputs, split)
        sections[name] = section_of(inputs, split, final=name == "test")
        emit("measured", split=name, metrics=sections[name]["metrics"])
        return split

    measure("validation", chosen_on)
    emit("activity", what="answering the test rows")
    test = measure("test", predict_split(inputs, model, splits.test, features_of))
    if changes := workspace.changes:
        sections["test"]["invariance"] = invariance_of(inputs, test, changes, model, workspace.encoder)
    if workspace.spec.evaluation.zero_shot:
        del model
        sections["test"]["zero_shot"] = measure_zero_shot(inputs, test, workspace.base, workspace.encoder)
    emit("activity", what="comparing with baselines")
    learnt = both(splits) if unseen else splits.train
    judgement = judge(
        inputs.evaluator, inputs.metric, learnt.table, splits.test.table, test.found, test.groups
    )
    sections["test"] |= {"baselines": judgement.baselines, "warnings": judgement.warnings}
    content = {
        "metric": inputs.metric,
        "higher_is_better": inputs.family.scoring.higher_is_better(inputs.metric),
        "confidence": workspace.spec.evaluation.confidence,
        "splits": sections,
        "verdict": judgement.verdict,
    }
    if (folds := out_of_fold(workspace)) is not None:
        content["cross_validation"] = folds
    write_json(folder.metrics_file, content)
    emit("judged", verdict=judgement.verdict, warnings=judgement.warnings)
    return _unmet(inputs, sections["test"], judgement, workspace.events.warn)


def _unmet(inputs: EvaluationInputs, test: Mapping[str, Any], judgement: Judgement, warn: Warn) -> list[str]:
    """The checks of the spec that the figures do not meet, a sentence each."""
    unmet = [*test.get("policy", {}).get("unmet", [])]
    unmet += slices_below(inputs.evaluator, inputs.metric, test.get("slices", []))
    unmet += answers_that_change(test.get("invariance", []))
    check = inputs.family.spec.checks.beats_baseline
    if judgement.useless is None or check == "off":
        return unmet
    if check == "warn":
        warn(judgement.useless)
        return unmet
    return [*unmet, f"checks.beats_baseline: {judgement.useless}"]


def export(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Write the bundle, and compare every variant of it with torch on real rows.

    Returns:
        the tolerances that it does not meet, a sentence each.
    """
    return export_bundle(workspace)
