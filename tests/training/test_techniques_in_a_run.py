"""Techniques in a whole run: what a stop must not change, what stops early, and what is compiled."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from models import save_tiny_bert, tiny_spec
from ruamel.yaml import YAML
from small import events, kept, trained
from stopping import stop_within

from ftcore.cli import main

#: Everything with a state or random numbers of its own, in two groups that may be used together.
TOGETHER: list[dict[str, Any]] = [
    {"ema": {"decay": 0.9}, "rdrop": 1.0, "fgm": 0.5, "augment": {"swap": 0.2, "delete": 0.1}},
    {
        "average_last": 2,
        "mixup": 0.4,
        "token_budget": 64,
        "freeze": {"gradual": True},
        "optimizer": "adafactor",
    },
]


@pytest.mark.usefixtures("unexported")
@pytest.mark.parametrize("techniques", TOGETHER, ids=lambda fields: "+".join(fields))
def test_a_stopped_run_ends_as_if_it_never_was(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, techniques: dict[str, Any]
) -> None:
    training = {**techniques, "evaluate_every": 4, "checkpoint_every": 3}
    YAML().dump(tiny_spec(tiny_base, training=training), project / "small.yaml")

    def run(name: str) -> tuple[int, Path]:
        code = main(["train", "small.yaml", "--runs-dir", name])
        (folder,) = (project / name).glob("*/*")
        return code, folder

    def result(folder: Path) -> Any:
        newest = max((folder / "checkpoints").glob("step-*"))
        return json.loads((newest / "manifest.json").read_text()), json.loads(
            (folder / "run.json").read_text()
        )["weights"]

    code, whole = run("whole")
    assert code == 0
    with monkeypatch.context() as patch:
        stop_within(patch, 4)
        code, folder = run("stopped")
    assert code == 143
    with monkeypatch.context() as patch:
        stop_within(patch, 7)
        assert main(["resume", str(folder)]) == 143
    assert main(["resume", str(folder)]) == 0
    assert result(folder) == result(whole)


PLUGIN = '''
"""A metric that gets worse and worse."""

from ftcore.api import SequenceClassificationSpec, Task, hookimpl

calls = []


@hookimpl
def ftcore_task():
    return Task(id="worse", summary="x", spec=SequenceClassificationSpec)


@hookimpl
def ftcore_metrics(references, answers):
    calls.append(1)
    return {"falling": -float(len(calls))}
'''


def test_early_stopping_follows_a_plugins_metric(project: Path, tiny_base: Path) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "worse.py").write_text(PLUGIN)
    workspace = trained(
        project,
        tiny_base,
        task="worse",
        training={"epochs": 9, "early_stopping": {"patience": 2}},
        evaluation={"metric": "falling"},
    )
    (end,) = events(workspace, "training_finished")
    per_epoch = events(workspace, "training_started")[0]["steps_per_epoch"]
    assert (end["best_step"], end["step"]) == (per_epoch, 3 * per_epoch)


def test_without_early_stopping_the_same_metric_runs_to_the_end(project: Path, tiny_base: Path) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "worse.py").write_text(PLUGIN)
    workspace = trained(
        project, tiny_base, task="worse", training={"epochs": 4}, evaluation={"metric": "falling"}
    )
    (end,) = events(workspace, "training_finished")
    assert end["step"] == events(workspace, "training_started")[0]["steps"]


def test_l1_leaves_weights_that_are_exactly_zero(project: Path, tiny_base: Path) -> None:
    def zeros(l1: float) -> float:
        workspace = trained(
            project, tiny_base, training={"l1": l1, "learning_rate": 0.01, "scheduler": "constant"}
        )
        weights = [value for name, value in kept(workspace).items() if "layer.0" in name and value.ndim > 1]
        return float(torch.cat([value.flatten() for value in weights]).eq(0).float().mean())

    assert zeros(0.0) < 0.001
    assert zeros(0.5) > 0.5


@pytest.mark.parametrize(
    "backend",
    [
        "eager",  # the graphs that are caught, without what torch makes of them
        pytest.param(
            "inductor",
            marks=[
                pytest.mark.slow,
                pytest.mark.timeout(900),  # a new machine has not kept what the C++ compiler makes
                pytest.mark.skipif(
                    not (shutil.which("c++") or shutil.which("g++")), reason="no C++ compiler here"
                ),
            ],
        ),
    ],
)
@pytest.mark.filterwarnings("ignore")  # torch's compiler warns of itself
def test_a_compiled_model_trains_alike(project: Path, monkeypatch: pytest.MonkeyPatch, backend: str) -> None:
    monkeypatch.setattr(torch, "compile", partial(torch.compile, backend=backend))
    base = save_tiny_bert(project / "shallow", num_hidden_layers=1)  # compiling takes seconds a layer
    sections: dict[str, Any] = {"model": {"dropout": 0.0}}
    plain = kept(trained(project, base, training={"max_steps": 3}, **sections))
    compiled = kept(trained(project, base, training={"max_steps": 3, "compile": True}, **sections))
    assert compiled.keys() == plain.keys()
    for name, value in compiled.items():
        torch.testing.assert_close(value, plain[name], atol=2e-3, rtol=1e-2, msg=name)
