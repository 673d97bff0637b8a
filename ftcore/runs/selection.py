"""How long to train, chosen on rows that were held out, before all rows train: what `training.refit` means.

One trial trains on the training rows and is measured on the validation rows; with `training.folds` there is a trial
for each fold of both. Of several evaluations (one of them of 0 steps, which is the head's start) the last one whose
held-out answers are not clearly worse than the best ones decides for which share of its steps the last training goes
on: a trial lacks the rows that it holds out, and all rows bear more steps than it does. The held-out answers come from
models that had not seen the rows, so they are what validation figures and thresholds are made of. A trial that is done,
and every evaluation, is on disk: a resumed run goes on where it was.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file, save_file

from ftcore import processes
from ftcore.data.tables import Split
from ftcore.evaluation.evaluate import Evaluator
from ftcore.files import read_json, write_json
from ftcore.runs.evaluation_inputs import EvaluationInputs, FeaturesOf, HeldOut, Outputs
from ftcore.runs.fitting import Fit, fit, fresh_model
from ftcore.runs.parts import Trial, joined, trials
from ftcore.runs.training_inputs import TrainingInputs
from ftcore.training.checkpoint import Progress
from ftcore.training.stopping import StopRequest
from ftcore_runtime.publishing import publishing

_OUTPUTS = "outputs.safetensors"
_RESAMPLES = 1000


def rows_to_choose_on(inputs: TrainingInputs) -> Split:
    """The rows whose answers thresholds and policies are chosen on: held out of trials, or the validation rows."""
    if not inputs.refits:
        return inputs.splits.validation
    return _rows(_trials(inputs.evaluation, inputs.folds))


def held_out(file: Path, inputs: EvaluationInputs, features_of: FeaturesOf) -> HeldOut | None:
    """What `choose` measured, of the evaluation that it chose; None of a run that had no need to choose.

    Args:
        file: selection.json.
    """
    if not file.exists():
        return None
    made = _trials(inputs, read_json(file)["folds"])
    how = f"measured in {len(made)} folds, before the last training on all rows"
    if len(made) == 1:
        how = "measured before the last training, which these rows are part of"
    rows = _rows(made)
    return HeldOut(rows, features_of(rows), load_file(file.with_name(_OUTPUTS)), how)


def choose(inputs: TrainingInputs, file: Path, stop: StopRequest, resume: bool) -> float:
    """The share of its steps that the last training takes, 0 to 1.

    Args:
        file: selection.json, which says so in the end; what it is made of lies in its folder.

    Raises:
        Interrupted, RunFailed, UserError: see `fine_tune`.
    """
    made = _trials(inputs.evaluation, inputs.folds)
    if not file.exists():
        for number, trial in enumerate(made, 1):
            if not (file.parent / f"trial-{number}.json").exists():
                _try(inputs, file.parent, stop, resume, number, trial, len(made))
        if processes.is_first():
            _compare(inputs, file, made)
        processes.wait()
    return float(read_json(file)["share"])


def _trials(inputs: EvaluationInputs, folds: int) -> list[Trial]:
    family = inputs.family
    return trials(inputs.splits, family.reader, folds, family.spec.data.split.seed)


def _rows(made: Sequence[Trial]) -> Split:
    """The held-out rows of all trials, under a name that no other number of folds gives them."""
    return joined(f"held out in {len(made)} folds", [trial.held_out for trial in made])


def _try(
    inputs: TrainingInputs, parent: Path, stop: StopRequest, resume: bool, number: int, trial: Trial, of: int
) -> None:
    """Run one trial; what it answered at each evaluation is written as soon as that is over."""
    folder = parent / f"trial-{number}"
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints = folder / "checkpoints"
    outputs: Outputs = {}
    total = 0

    def keep(found: Outputs) -> None:
        nonlocal outputs
        outputs = found

    def emit(kind: str, **fields: Any) -> None:  # noqa: ANN401 (anything JSON can hold)
        nonlocal total
        if kind == "training_started":
            total = fields["steps"]
        if kind == "evaluated" and processes.is_first():
            step, loss = fields["step"], fields["loss"]
            _write_arrays(folder / f"{step}.safetensors", outputs)
            write_json(folder / f"{step}.json", {"step": step, "loss": loss, "of": total})
        phase = {"phase": f"fold {number} of {of}"} if of > 1 else {}
        inputs.events.emit(kind, **fields, **phase)

    model = fresh_model(inputs)
    what = Fit(trial.train, trial.held_out, checkpoints, emit, keep=keep)
    fit(inputs, model, what, stop, resume and checkpoints.is_dir())
    if processes.is_first():
        found = [read_json(path) for path in folder.glob("*.json")]
        write_json(folder.with_suffix(".json"), {"evaluations": sorted(found, key=lambda one: one["step"])})
        shutil.rmtree(checkpoints, ignore_errors=True)
    processes.wait()


@dataclass(frozen=True)
class Tried:
    """An evaluation that all trials have, of the held-out rows of all of them together.

    Args:
        step: optimizer steps before it, in the first trial.
        of: steps that the first trial would take in all.
        loss: mean validation loss of the rows, or NaN.
        metrics: name -> value.
        answers: one for each row.
    """

    step: int
    of: int
    loss: float
    metrics: Mapping[str, float]
    answers: Sequence[Any]

    @property
    def share(self) -> float:
        """Of the steps that were done, 0 to 1."""
        return self.step / max(1, self.of)

    def to_json(self) -> dict[str, Any]:
        """As selection.json has it."""
        loss = self.loss if np.isfinite(self.loss) else None
        return {"step": self.step, "share": self.share, "loss": loss, "metrics": self.metrics}


def best_of(tried: Sequence[Tried], metric: str, *, higher_is_better: bool) -> int:
    """The index of the best evaluation: ties go as they do while a model trains (`Progress.take`)."""
    best = Progress()
    for index, one in enumerate(tried):
        best.step = index
        best.take(one.metrics[metric], one.loss, higher_is_better=higher_is_better, min_delta=0.0)
    return best.best_step or 0


def latest_of(
    tried: Sequence[Tried], best: int, metric: str, references: Sequence[Any], evaluator: Evaluator
) -> int:
    """The index of the last evaluation that is not clearly worse than the best one: chance may explain the difference.

    The difference is taken in pairs, on the same rows, with an interval of 90 %, of which 5 % lie above.
    """
    sign = 1 if evaluator.family.scoring.higher_is_better(metric) else -1
    judge = Evaluator(evaluator.family, evaluator.hooks, resamples=_RESAMPLES, confidence=0.9)
    for index in range(len(tried) - 1, best, -1):
        gain = judge.gain(references, tried[best].answers, tried[index].answers, only=metric)[metric]
        most = gain["high" if sign > 0 else "low"]
        if most is None or sign * most >= 0:
            return index
    return best


def _compare(inputs: TrainingInputs, file: Path, made: Sequence[Trial]) -> None:
    """Measure the held-out answers of each evaluation that all trials have, and write down the best."""
    folder, family, rows = file.parent, inputs.family, _rows(made)
    metric, features = inputs.evaluation.metric, inputs.features(rows)
    references = family.reader.references(rows.table)
    of_trials = [
        read_json(folder / f"trial-{number}.json")["evaluations"] for number in range(1, len(made) + 1)
    ]
    sizes = np.array([trial.held_out.table.num_rows for trial in made])
    tried = []
    for index in range(min(map(len, of_trials))):
        evaluations = [one[index] for one in of_trials]
        outputs = _outputs(folder, evaluations)
        fitted = HeldOut(rows, features, outputs).tuned(family)
        answers = fitted.scoring.answers(outputs, features, rows.table)
        losses = [float("nan") if one["loss"] is None else one["loss"] for one in evaluations]
        loss = float(np.average(losses, weights=sizes))
        values = inputs.evaluation.evaluator.values(references, answers)
        tried.append(Tried(evaluations[0]["step"], evaluations[0]["of"], loss, values, answers))
    best = best_of(tried, metric, higher_is_better=family.scoring.higher_is_better(metric))
    chosen = latest_of(tried, best, metric, references, inputs.evaluation.evaluator)
    _write_arrays(folder / _OUTPUTS, _outputs(folder, [one[chosen] for one in of_trials]))
    summary = {
        "folds": len(made),
        "rows": rows.table.num_rows,
        "metric": metric,
        "evaluations": [one.to_json() for one in tried],
        "share": tried[chosen].share,
        "step": tried[chosen].step,
        "best_step": tried[best].step,
    }
    write_json(file, summary)
    if len(made) > 1:
        for index, found in enumerate(summary["evaluations"]):
            fields = {key: found[key] for key in ("step", "metrics", "loss")}
            inputs.events.emit("evaluated", **fields, best=index == chosen)
    inputs.events.emit("selected", **summary)
    for number in range(1, len(made) + 1):
        shutil.rmtree(folder / f"trial-{number}", ignore_errors=True)


def _outputs(folder: Path, evaluations: Sequence[Mapping[str, Any]]) -> Outputs:
    """The outputs of one evaluation of each trial, one after another."""
    found = [
        load_file(folder / f"trial-{number}" / f"{one['step']}.safetensors")
        for number, one in enumerate(evaluations, 1)
    ]
    return {name: np.concatenate([one[name] for one in found]) for name in found[0]}


def _write_arrays(path: Path, arrays: Outputs) -> None:
    with publishing(path) as made:
        save_file({name: np.ascontiguousarray(array) for name, array in arrays.items()}, made)
