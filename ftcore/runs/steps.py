"""The steps of a run, one after another: train, evaluate, export. Each can be taken on its own."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import pyarrow as pa

from ftcore import processes
from ftcore.data.features import FeatureStore
from ftcore.errors import CheckFailed
from ftcore.evaluation.evaluate import Array, groups_of, prediction_lines
from ftcore.evaluation.invariance import Answering, answers_that_change, measure_invariance
from ftcore.evaluation.policies import measure_policy, notes_of, without_policy
from ftcore.evaluation.predict import predict
from ftcore.evaluation.slices import measure_slices, members_of, slices_below
from ftcore.families.scoring import SupportsSamples
from ftcore.families.tuning import tuned
from ftcore.files import write_atomic, write_json
from ftcore.modeling.device import torch_device
from ftcore.runs.export import export_bundle
from ftcore.runs.folder import Step, versions
from ftcore.runs.judging import judge
from ftcore.runs.parts import both
from ftcore.runs.seeds import train_seeds
from ftcore.runs.selection import held_out
from ftcore.runs.techniques import answer_by_names
from ftcore.runs.train import train_once
from ftcore.runs.workspace import Workspace
from ftcore.training.stopping import StopRequest
from ftcore_runtime.answers import to_jsonl
from ftcore_runtime.decoders import make_decoder


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
        workspace.events.warn(
            f"not what the run began with, so it may not go on bit for bit: {', '.join(changed)}"
        )


def train(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Fine-tune, and keep the best model as a Hugging Face folder; with `training.seeds`, the best of the seeds'."""
    workspace.record_inputs()
    if workspace.spec.training.seeds:
        train_seeds(workspace, stop, train_once, evaluate)
    else:
        train_once(workspace, stop, resume)
    return []


def evaluate(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Measure the fine-tuned model in float32 on validation and test, with intervals, and compare it with baselines.

    Returns:
        the checks that it does not meet, a sentence each.
    """
    spec, folder, reader = workspace.spec.evaluation, workspace.folder, workspace.family.reader
    model = workspace.fine_tuned()
    measured: dict[str, Any] = {}
    unseen = held_out(workspace)
    for name in ("validation", "test"):
        split, outputs = workspace.splits[name], None
        if name == "validation" and unseen:
            split, outputs = unseen.rows, unseen.outputs
        rows, features = split.table, workspace.features(split)
        if outputs is None:
            outputs = predict(model, workspace.family, features, spec.batch_size)
        if name == "validation":
            workspace.keep_family(tuned(workspace.family, outputs, features, rows))
        scoring, groups = workspace.family.scoring, groups_of(reader, rows)
        answers = scoring.answers(outputs, features, rows)
        found = workspace.evaluator.measure(reader.references(rows), answers, groups)
        measured[name] = found.to_json()
        if name == "test":
            decoder, plain = make_decoder(scoring.decoder), []
            if decoder.policy.temperature != 1:
                plain = without_policy(workspace.family).scoring.answers(outputs, features, rows)
            if policy := measure_policy(
                workspace.evaluator, decoder, found.references, answers, plain, groups, notes_of(scoring)
            ):
                measured[name]["policy"] = policy
        if name == "validation" and unseen:
            measured[name]["how"] = unseen.how
        if cells := measured[name].pop("confusion_cells", None):  # as many as rows at most
            write_atomic(folder.path / f"confusion.{name}.jsonl", to_jsonl(cells))
        if isinstance(scoring, SupportsSamples):
            measured[name]["samples"] = scoring.samples(rows, answers)
        members = members_of(workspace.spec.slices, reader, split)
        write_atomic(folder.predictions(name), to_jsonl(prediction_lines(reader, split, found, members)))
        if name == "test" and members is not None:
            measured[name]["slices"] = measure_slices(
                workspace.evaluator, workspace.metric, members, found, groups
            )
        if name == "test" and (changes := workspace.changes):
            measured[name]["invariance"] = measure_invariance(
                changes, reader, split, answers, _answering(workspace, model), spec.confidence
            )
        workspace.events.emit("measured", split=name, metrics=measured[name]["metrics"])
    if spec.zero_shot:
        del model
        measured["test"]["zero_shot"] = _zero_shot(workspace, answers, groups)
    learnt = both(workspace.splits) if unseen else workspace.splits.train
    judgement = judge(workspace.evaluator, workspace.metric, learnt.table, rows, found, groups)
    measured["test"] |= {"baselines": judgement.baselines, "warnings": judgement.warnings}
    whole = {
        "metric": workspace.metric,
        "higher_is_better": workspace.family.scoring.higher_is_better(workspace.metric),
        "confidence": spec.confidence,
        "splits": measured,
    }
    write_json(folder.metrics_file, {**whole, "verdict": judgement.verdict})
    workspace.events.emit("judged", verdict=judgement.verdict, warnings=judgement.warnings)
    unmet: list[str] = measured["test"].get("policy", {}).get("unmet", [])
    unmet += slices_below(workspace.evaluator, workspace.metric, measured["test"].get("slices", []))
    unmet += answers_that_change(measured["test"].get("invariance", []))
    if judgement.useless is None or workspace.spec.checks.beats_baseline == "off":
        return unmet
    if workspace.spec.checks.beats_baseline == "warn":
        workspace.events.warn(judgement.useless)
        return unmet
    return [*unmet, f"checks.beats_baseline: {judgement.useless}"]


def _answering(workspace: Workspace, model: Any) -> Answering:  # noqa: ANN401 (a PreTrainedModel)
    """The model's answers to rows that no split has."""

    def answer(rows: pa.Table) -> Sequence[Any]:
        family = workspace.family
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "features.arrow"
            features = FeatureStore.build(rows, family.model, workspace.encoder, path)
            outputs = predict(model, family, features, workspace.spec.evaluation.batch_size)
            return family.scoring.answers(outputs, features, rows)

    return answer


def _zero_shot(workspace: Workspace, fine_tuned: Sequence[Any], groups: Array | None) -> dict[str, Any]:
    """Metrics of the base model as it is on the test rows, and the gain of the `fine_tuned` answers over it."""
    family, evaluator = workspace.family, workspace.evaluator
    rows, features = workspace.splits["test"].table, workspace.features("test")
    model = family.model.build(workspace.base).to(torch_device())
    answer_by_names(model, family.model, workspace.base, workspace.encoder)
    outputs = predict(model, family, features, workspace.spec.evaluation.batch_size)
    answers, references = family.scoring.answers(outputs, features, rows), family.reader.references(rows)
    found = evaluator.measure(references, answers, groups)
    gain = evaluator.gain(references, answers, fine_tuned, groups)
    return {"metrics": found.to_json()["metrics"], "gain": gain}


def export(workspace: Workspace, stop: StopRequest, resume: bool) -> list[str]:
    """Write the bundle, and compare every variant of it with torch on real rows.

    Returns:
        the tolerances that it does not meet, a sentence each.
    """
    return export_bundle(workspace)
