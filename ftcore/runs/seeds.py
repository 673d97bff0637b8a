"""One spec trained with several seeds: a run inside the run for each, their mean and spread, and the best one kept.

A seed's run lies in `seeds/<seed>` and is a run like any other. What is resumed goes on with the seed it was at.
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean, stdev
from typing import Any

from ftcore import processes
from ftcore.files import read_json, write_json
from ftcore.runs.child_runs import StepAction, child_run, finish_child
from ftcore.runs.folder import RunFolder
from ftcore.runs.model_folder import adopt_model
from ftcore.runs.workspace import Workspace
from ftcore.training.stopping import StopRequest


def train_seeds(workspace: Workspace, stop: StopRequest, train: StepAction, evaluate: StepAction) -> None:
    """Train and measure once with each seed, write `seeds.json`, and keep the best model as this run's.

    The best is the one with the best validation value of the monitored metric. A seed that is done is passed over.
    """
    seeds = workspace.spec.training.seeds or []
    _ = workspace.splits  # read here first, so that this run has its own record of the data
    done: dict[int, RunFolder] = {}
    for number, seed in enumerate(seeds, 1):
        child = _child(workspace, seed)
        workspace.events.emit("seed_started", seed=seed, number=number, seeds=len(seeds))
        finish_child(child, stop, train, evaluate)
        done[seed] = child.folder
    if processes.is_first():
        better = workspace.family.scoring.higher_is_better(workspace.metric)
        summary = summarise(done, workspace.metric, higher_is_better=better)
        write_json(workspace.folder.seeds_file, summary)
        workspace.events.emit("seeds_finished", **summary)
        workspace.folder.update(seed=summary["chosen"])
        adopt_model(workspace.folder, done[summary["chosen"]])


def summarise(runs: Mapping[int, RunFolder], metric: str, *, higher_is_better: bool) -> dict[str, Any]:
    """Mean, sample standard deviation and each seed's value of every metric of every split; and the best seed.

    Args:
        runs: seed -> its run, evaluated.
        metric: on the validation rows, decides which seed is the best.
    """
    measured = {seed: read_json(run.metrics_file)["splits"] for seed, run in runs.items()}
    first = next(iter(measured.values()))
    splits: dict[str, dict[str, Any]] = {}
    for split, content in first.items():
        splits[split] = {}
        for name in content["metrics"]:
            values = {seed: splits_[split]["metrics"][name]["value"] for seed, splits_ in measured.items()}
            splits[split][name] = {
                "mean": mean(values.values()),
                "sd": stdev(values.values()),
                "values": {str(seed): value for seed, value in values.items()},
            }
    values = splits["validation"][metric]["values"]
    best = max if higher_is_better else min
    chosen = best(runs, key=lambda seed: values[str(seed)])
    return {"metric": metric, "chosen": chosen, "splits": splits}


def _child(workspace: Workspace, seed: int) -> Workspace:
    """The run of one seed, made unless it is there."""
    folder = RunFolder(workspace.folder.path / "seeds" / str(seed))
    training = workspace.spec.training.model_copy(update={"seed": seed, "seeds": None})
    return child_run(workspace, folder, workspace.spec.model_copy(update={"training": training}), seed=seed)
