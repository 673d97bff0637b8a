"""All rows train in the end: what chooses for how long, what validation figures are of, and that a resume is exact."""

from __future__ import annotations

import gc
import json
import re
import weakref
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import labelled_rows
from rich.console import Console
from small import events, kept, trained, workspace_of

from ftcore.cli.progress import RunProgress
from ftcore.data.splitting import fold_of
from ftcore.errors import ExitCode, Interrupted, UserError
from ftcore.evaluation.predict import predict
from ftcore.plugins import PluginRegistry
from ftcore.runs import fitting
from ftcore.runs.evaluation_inputs import HeldOut
from ftcore.runs.parts import both, trials
from ftcore.runs.selection import Tried, best_of, held_out, latest_of
from ftcore.runs.selection import _rows as selection_rows
from ftcore.runs.steps import take_steps
from ftcore.runs.workspace import Workspace
from ftcore.spec import load_spec
from ftcore.training import engine
from ftcore.training.stopping import StopRequest
from ftcore_runtime.answers import LabelAnswer

DATA = {"train": labelled_rows(60), "split": {"validation": 12, "test": 12}}
TRAINING = {"head_start": "probe", "refit": True, "evaluate_every": 2, "epochs": 2}


class KilledError(BaseException):
    """What nobody catches: the process is gone."""


def predictions(workspace: Workspace, split: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in workspace.folder.predictions(split).read_text().splitlines()]


def unseen_of(workspace: Workspace) -> HeldOut | None:
    return held_out(workspace.folder.selection_file, workspace.evaluation_inputs, workspace.features)


def selection(workspace: Workspace) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((workspace.folder.path / "selection" / "selection.json").read_text())
    return found


@pytest.mark.parametrize("folds", [1, 3])
def test_all_rows_train_and_held_out_rows_are_measured(project: Path, tiny_base: Path, folds: int) -> None:
    workspace = workspace_of(project, tiny_base, data=DATA, training={**TRAINING, "folds": folds})
    take_steps(workspace, ["train", "evaluate"], StopRequest())
    refit = [event for event in events(workspace, "training_started") if event.get("phase") == "refit"]
    assert [event["rows"] for event in refit] == [48]
    chosen = selection(workspace)
    assert chosen["folds"] == folds
    assert chosen["evaluations"][0]["step"] == 0
    unseen = unseen_of(workspace)
    assert unseen is not None
    assert (
        unseen.rows.table.num_rows == len(predictions(workspace, "validation")) == (48 if folds > 1 else 12)
    )
    found = json.loads(workspace.folder.metrics_file.read_text())["splits"]["validation"]
    (measured,) = (one for one in chosen["evaluations"] if one["step"] == chosen["step"])
    assert found["metrics"]["accuracy"]["value"] == pytest.approx(measured["metrics"]["accuracy"])
    assert ("folds" in found["how"]) == (folds > 1)
    drawn = [event for event in events(workspace, "evaluated") if "phase" not in event]
    assert [event["step"] for event in drawn] == [one["step"] for one in chosen["evaluations"]]
    assert not list((workspace.folder.path / "selection").glob("trial-*/"))
    features = workspace.features(unseen.rows)
    seen = predict(workspace.fine_tuned(), workspace.family, features, 16)["logits"]
    assert not np.allclose(unseen.outputs["logits"], seen, atol=1e-6)


def test_the_folds_contrast_rows_as_the_last_training_does(project: Path, tiny_base: Path) -> None:
    """Or what chooses for how long would be measured on another training than the one that it chooses for."""
    losses = []
    for contrast in (0.0, 3.0):
        training = {**TRAINING, "folds": 2, "contrast": contrast, "learning_rate": 1e-3}
        workspace = workspace_of(project, tiny_base, data=DATA, model={"pooling": "mean"}, training=training)
        take_steps(workspace, ["train"], StopRequest())
        losses.append([one["loss"] for one in selection(workspace)["evaluations"]])
    without, contrasted = losses
    assert contrasted[0] == without[0], "both are the probe"
    assert contrasted[-1] != pytest.approx(without[-1], rel=1e-4)


def test_no_model_of_an_earlier_training_is_there_when_the_next_begins(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Model, optimizer and what measures them refer to one another, so only a look for circles frees them."""
    there: list[int] = []
    earlier: weakref.WeakSet[torch.nn.Module] = weakref.WeakSet()
    build = fitting.model_to_train

    def counted(*args: Any) -> torch.nn.Module:
        there.append(len(earlier))
        model = build(*args)
        earlier.add(model)
        return model

    monkeypatch.setattr(fitting, "model_to_train", counted)
    gc.disable()
    try:
        trained(project, tiny_base, data=DATA, training={**TRAINING, "folds": 2})
    finally:
        gc.enable()
    assert there == [0, 0, 0, 0], "what is rehearsed with, two folds, and the last"


def test_without_steps_the_head_starts_anew_from_all_rows(project: Path, tiny_base: Path) -> None:
    from ftcore.runs.fitting import fresh_model
    from ftcore.runs.techniques import head_from_probe

    training = {**TRAINING, "learning_rate": 9.0, "recipe": "probe", "folds": 2}  # which ruins everything
    workspace = trained(project, tiny_base, data=DATA, training=training)
    assert selection(workspace)["share"] == 0
    model = fresh_model(workspace.training_inputs)
    features = workspace.features(both(workspace.splits))
    head_from_probe(model, workspace.family.model, workspace.base, features, pytest.fail)
    weights = kept(workspace)
    assert all(torch.equal(value, weights[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize(
    ("folds", "start", "moments"),
    [
        (1, "random", [("evaluated", None), ("checkpoint_saved", "refit")]),
        (2, "probe", [("activity", "fold 2 of 2"), ("evaluated", "fold 2 of 2"), ("selected", None)]),
    ],
)
def test_a_killed_run_goes_on_to_the_same_weights(
    project: Path, tiny_base: Path, folds: int, start: str, moments: list[tuple[str, str | None]]
) -> None:
    training = {**TRAINING, "folds": folds, "head_start": start}
    whole = trained(project, tiny_base, data=DATA, training=training)
    weights, answers = kept(whole), unseen_of(whole)
    for moment in moments:

        def listen(event: Any, moment: tuple[str, str | None] = moment) -> None:
            if (event["event"], event.get("phase")) == moment:
                raise KilledError

        workspace = workspace_of(project, tiny_base, listeners=(listen,), data=DATA, training=training)
        with pytest.raises(KilledError):
            take_steps(workspace, ["train"], StopRequest())
        again = Workspace(workspace.folder, workspace.spec, workspace.task, ())
        take_steps(again, ["train"], StopRequest(), resume=True)
        assert all(torch.equal(value, weights[name]) for name, value in kept(again).items()), moment
        unseen = unseen_of(again)
        assert answers is not None
        assert unseen is not None
        assert np.array_equal(unseen.outputs["logits"], answers.outputs["logits"]), moment


def test_a_fold_writes_checkpoints_for_what_takes_long_alone(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {**TRAINING, "folds": 2}
    for seconds in (0, 3600):
        monkeypatch.setattr(engine, "SECONDS_AT_STAKE", seconds)
        whole = trained(project, tiny_base, data=DATA, training=training)
        saved = [event.get("phase") for event in events(whole, "checkpoint_saved")]
        assert ("fold 1 of 2" in saved) == (not seconds)

    def stop_in_a_fold(event: Any) -> None:
        if (event["event"], event.get("phase")) == ("evaluated", "fold 2 of 2"):
            stop.ask(ExitCode.INTERRUPTED)

    stop = StopRequest()
    workspace = workspace_of(project, tiny_base, listeners=(stop_in_a_fold,), data=DATA, training=training)
    with pytest.raises(Interrupted):
        take_steps(workspace, ["train"], stop)
    assert list((workspace.folder.path / "selection/trial-2/checkpoints").glob("step-*")), (
        "who asks loses nothing"
    )
    again = Workspace(workspace.folder, workspace.spec, workspace.task, ())
    take_steps(again, ["train"], StopRequest(), resume=True)
    weights = kept(whole)
    assert all(torch.equal(value, weights[name]) for name, value in kept(again).items())


def test_the_base_model_reads_each_row_once_for_all_folds(project: Path, tiny_base: Path) -> None:
    from ftcore.runs.fitting import fresh_model
    from ftcore.training.head_start import inputs_of, last_linear

    workspace = workspace_of(project, tiny_base, data=DATA)
    inputs, family = workspace.training_inputs, workspace.family.model
    model = fresh_model(inputs)
    layer = last_linear(model)
    assert layer is not None
    read: list[int] = []
    layer.register_forward_pre_hook(lambda _, args: read.append(len(args[0])))
    for trial in trials(workspace.splits, workspace.family.reader, 3, seed=42):
        found = inputs.head_inputs.of(model, family, trial.train)
        assert found is not None
        assert sum(read) == both(workspace.splits).table.num_rows
        alone = inputs_of(layer, model, family, workspace.features(trial.train))
        assert alone is not None
        del read[1:]  # the rows of the first reading are one batch
        assert np.allclose(found, alone, atol=1e-6)
    assert inputs.head_inputs.of(model, family, workspace.splits.test) is None  # rows that nobody trains on


def test_folds_keep_groups_whole_and_classes_even() -> None:
    strata = np.repeat([0, 1, 2], [30, 20, 10])
    groups = np.arange(60)
    groups[[3, 17, 44]] = 3
    fold = fold_of(groups, strata, 5, seed=1)
    assert len(set(fold[[3, 17, 44]])) == 1
    for label in range(3):
        counts = np.bincount(fold[strata == label], minlength=5)
        assert counts.max() - counts.min() <= 3  # by the group of three
    assert not np.array_equal(fold, fold_of(groups, strata, 5, seed=2))


def test_every_row_is_held_out_once(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base, data=DATA)
    made = trials(workspace.splits, workspace.family.reader, 4, seed=42)
    everything = set(both(workspace.splits).locations.to_pylist())
    held = [location for trial in made for location in trial.held_out.locations.to_pylist()]
    assert len(held) == len(everything) == 48
    assert set(held) == everything
    for trial in made:
        assert set(trial.train.locations.to_pylist()) == everything - set(
            trial.held_out.locations.to_pylist()
        )
    assert len(trials(workspace.splits, workspace.family.reader, 20, seed=42)) == 20


def test_folds_of_other_runs_are_not_mistaken_for_these(project: Path, tiny_base: Path) -> None:
    """The same rows in another order: what is cached of them goes by the folds, too."""
    for folds in (2, 3):
        workspace = workspace_of(project, tiny_base, data=DATA)
        made = trials(workspace.splits, workspace.family.reader, folds, seed=42)
        for rows in (*made[0], selection_rows(made)):
            labels = workspace.features(rows).column("labels").tolist()
            assert labels == [int(label == "pos") for label in rows.table["label"].to_pylist()]


def test_progress_says_what_is_trained_and_why(project: Path, tiny_base: Path) -> None:
    text, training = StringIO(), {**TRAINING, "folds": 2}
    progress = RunProgress(Console(file=text, width=200))
    workspace = workspace_of(project, tiny_base, listeners=(progress,), data=DATA, training=training)
    take_steps(workspace, ["train"], StopRequest())
    printed = text.getvalue()
    assert "fold 2 of 2, training: " in printed
    assert "2 folds: accuracy " in printed
    how = (
        r"on 48 rows held out after \d+% of the steps is (the best|not clearly worse than 0\.\d+ after \d+%)"
    )
    assert re.search(how, printed)
    assert "refit on all 48 rows of training and validation: " in printed


@pytest.mark.parametrize(
    ("section", "what"),
    [
        ("training: {refit: false, folds: 3}", "leave `refit: false` out"),
        (
            "training: {refit: true}\nexport: {gates: {min_metric: {accuracy: 0.5}}}",
            "`export.gates.min_metric` is measured on validation rows, and `training.refit` trains on them",
        ),
    ],
)
def test_contradictions_are_refused(project: Path, section: str, what: str) -> None:
    spec = project / "spec.yaml"
    spec.write_text(f"task: classification\ndata: {{train: train.csv}}\nmodel: {{base: base}}\n{section}\n")
    with pytest.raises(UserError) as problem:
        load_spec(spec, PluginRegistry.discover())
    assert what in str(problem.value)


def test_of_equal_evaluations_the_one_with_the_lower_loss_is_the_best_and_of_equal_losses_the_later_one() -> (
    None
):
    def tried(metric: float, loss: float) -> Tried:
        return Tried(step=0, of=8, loss=loss, metrics={"m": metric}, answers=())

    evaluations = [tried(0.5, 0.9), tried(0.7, 0.8), tried(0.7, 0.6), tried(0.7, 0.6), tried(0.6, 0.1)]
    assert best_of(evaluations, "m", higher_is_better=True) == 3
    assert best_of(evaluations, "m", higher_is_better=False) == 0
    assert best_of([tried(0.5, float("nan")), tried(0.4, 0.1)], "m", higher_is_better=True) == 0


@pytest.mark.parametrize(
    ("wrong", "latest"),
    [((2, 3), 1), ((2, 14), 0), ((3, 2), 1), ((0, 0), 1)],
    ids=["chance may be why", "clearly worse", "better", "equal"],
)
def test_more_steps_are_taken_unless_they_are_clearly_worse(
    project: Path, tiny_base: Path, wrong: tuple[int, int], latest: int
) -> None:
    workspace = workspace_of(project, tiny_base, data=DATA)
    evaluator, references = workspace.evaluation_inputs.evaluator, ["pos", "neg"] * 24
    other = {"pos": "neg", "neg": "pos"}
    tried = []
    for step, count in enumerate(wrong):
        labels = [other[label] if row < count else label for row, label in enumerate(references)]
        answers = [LabelAnswer(label, 0.9, {label: 0.9, other[label]: 0.1}) for label in labels]
        tried.append(Tried(step, 1, 1.0, evaluator.values(references, answers), answers))
    best = best_of(tried, "accuracy", higher_is_better=True)
    assert latest_of(tried, best, "accuracy", references, evaluator) == latest
