"""Trackers: a run's figures as TensorBoard's and MLflow's own readers find them, once after a kill; seeds."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from models import tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.events import EventLog, read_events
from ftcore.watching import Watcher
from ftcore_plugins.trackers.following import Tracked

#: A run that is killed, as nothing can prevent, after its 25th step.
KILLED = """
import os, signal, sys
from ftcore.cli import main
from ftcore.training.engine import _Loop
whole = _Loop._step
def step(self, batches):
    whole(self, batches)
    if self.progress.step == 25:
        os.kill(os.getpid(), signal.SIGKILL)
_Loop._step = step
main(sys.argv[1:])
"""
FAKE = """
import json, pathlib
class Artifact:
    def __init__(self, name, type): self.files = []
    def add_dir(self, path, name): self.files.append(name)
    def add_file(self, path, name): self.files.append(name)
class Run:
    def __init__(self, settings): self.calls = [["init", settings]]
    def log(self, values): self.calls.append(["log", values])
    def log_artifact(self, artifact): self.calls.append(["artifact", sorted(artifact.files)])
    def finish(self, **how):
        self.calls.append(["finish", how])
        with open("calls.jsonl", "a") as file:
            file.write(json.dumps(self.calls) + chr(10))
def init(project, **settings): return Run({"project": project, **settings})
"""


def write(project: Path, base: Path, **sections: Any) -> None:
    training = {"max_steps": 40, "evaluate_every": 20, "checkpoint_every": 10, **sections.pop("training", {})}
    spec = tiny_spec(base, training=training, export={"variants": ["fp32"]}, **sections)
    YAML().dump(spec, project / "labels.yaml")


def only_run(project: Path) -> Path:
    (folder,) = project.glob("runs/labels/*")
    return folder


def figures(folder: Path) -> dict[str, float]:
    """The final figures of metrics.json, by the names that trackers give them."""
    found = {}
    for split, content in json.loads((folder / "metrics.json").read_text())["splits"].items():
        for name, metric in content["metrics"].items():
            found[f"{split}/{name}"] = metric["value"]
            found |= {
                f"{split}/{name}/{part}": metric[part]
                for part in ("low", "high")
                if metric.get(part) is not None
            }
    return found


def killed_and_resumed(project: Path, base: Path, observer: str) -> Path:
    """The folder of a run with an observer that was killed in its 25th step and then resumed."""
    write(project, base)
    arguments = ["run", "labels.yaml", "--observer", observer]
    killed = subprocess.run([sys.executable, "-c", KILLED, *arguments], capture_output=True, check=False)
    assert killed.returncode == -9, killed.stderr.decode()
    assert main(["resume", "labels"]) == 0
    folder = only_run(project)
    assert [one["id"] for one in json.loads((folder / "run.json").read_text())["observers"]] == [observer]
    warnings = [
        event["message"] for event in read_events(folder / "events.jsonl") if event["event"] == "warning"
    ]
    assert not [message for message in warnings if "observer" in message]
    return folder


def losses(folder: Path) -> dict[int, float]:
    events = read_events(folder / "events.jsonl")
    return {event["step"]: event["loss"] for event in events if event["event"] == "step"}


def test_tensorboards_reader_finds_the_figures_once_after_a_kill(project: Path, tiny_base: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder = killed_and_resumed(project, tiny_base, "tensorboard")
    read = EventAccumulator(str(folder / "tensorboard")).Reload()

    def scalars(name: str) -> dict[int, float]:
        found = read.Scalars(name)
        assert len({one.step for one in found}) == len(found), "each step once"
        return {one.step: pytest.approx(one.value, rel=1e-6) for one in found}

    assert losses(folder) == scalars("train/loss")
    assert set(scalars("eval/accuracy")) == {20, 40}
    final = figures(folder)
    assert {"test/accuracy", "test/accuracy/low", "validation/f1_macro"} <= set(final)
    assert {name: scalars(name)[0] for name in final} == final
    assert "spec.yaml/text_summary" in read.Tags()["tensors"]


@pytest.mark.filterwarnings("ignore")  # of its database's packages
def test_mlflows_reader_finds_one_run_with_figures_and_files_after_a_kill(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mlflow = pytest.importorskip("mlflow")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{project}/mlflow.db")
    folder = killed_and_resumed(project, tiny_base, "mlflow")
    client = mlflow.MlflowClient(f"sqlite:///{project}/mlflow.db")
    experiment = client.get_experiment_by_name("labels")
    (run,) = client.search_runs([experiment.experiment_id])
    assert (run.info.status, run.info.run_name) == ("FINISHED", folder.name)
    history = client.get_metric_history(run.info.run_id, "train/loss")
    assert {one.step: one.value for one in history} == losses(folder)
    assert len(history) == 4, "each step once"
    final = figures(folder)
    assert {name: run.data.metrics[name] for name in final} == final
    assert run.data.params["training.max_steps"] == "40"
    assert run.data.tags["ftcore.task"] == "classification"
    names = {one.path for one in client.list_artifacts(run.info.run_id)}
    assert names == {
        "spec.yaml",
        "spec.resolved.json",
        "metrics.json",
        "export.json",
        "report.html",
        "bundle",
    }
    assert (Path(client.download_artifacts(run.info.run_id, "bundle")) / "bundle.json").is_file()

    write(project, tiny_base, training={"seeds": [1, 2], "max_steps": 2})
    assert main(["train", "labels.yaml", "--observer", "mlflow"]) == 0
    parent, *_ = [
        one
        for one in client.search_runs([experiment.experiment_id])
        if one.info.run_id != run.info.run_id and "mlflow.parentRunId" not in one.data.tags
    ]
    children = client.search_runs(
        [experiment.experiment_id], f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'"
    )
    assert {one.info.run_name for one in children} == {"seeds-1", "seeds-2"}
    assert {one.info.status for one in children} == {"FINISHED"}


@pytest.mark.parametrize("tracker", ["wandb", "trackio"])
def test_runs_of_seeds_are_grouped(
    tracker: str, project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (project / "fakes").mkdir()
    (project / "fakes" / f"{tracker}.py").write_text(FAKE)
    monkeypatch.syspath_prepend(project / "fakes")
    for name in (tracker, f"ftcore_plugins.trackers.{tracker}"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    write(project, tiny_base, training={"seeds": [1, 2], "max_steps": 10, "evaluate_every": 5})
    (project / "pyproject.toml").write_text(f'[tool.ftcore]\nobservers = ["{tracker}"]\n')
    assert main(["train", "labels.yaml"]) == 0
    folder = only_run(project)
    calls = [json.loads(line) for line in (project / "calls.jsonl").read_text().splitlines()]
    settings = [one[0][1] for one in calls]
    assert [one["group"] for one in settings] == [folder.name, folder.name, None]
    assert {one["project"] for one in settings} == {"labels"}
    assert all(one["resume"] == "allow" for one in settings)
    for one, seed in zip(calls, (1, 2), strict=False):
        logged = [values for what, values in one if what == "log"]
        assert [values["train/step"] for values in logged if "train/loss" in values] == [10]
        last = figures(folder / "seeds" / str(seed))
        assert {name: value for values in logged for name, value in values.items() if name in last} == last
        assert one[-2:] == [["artifact", ["metrics.json", "spec.resolved.json", "spec.yaml"]], ["finish", {}]]
    for name in (tracker, f"ftcore_plugins.trackers.{tracker}"):
        sys.modules.pop(name, None)


def shown(log: Path, see: Any, most: int = 100, patience: float = 5.0, events: int = 5) -> list[str]:
    """The warnings of a run of some events with an observer."""
    watcher = Watcher("the observer `x`", see, most)
    events_log = EventLog(log, watchers=(watcher,))
    begun = time.monotonic()
    for number in range(events):
        events_log.emit("step", step=number)
    assert time.monotonic() - begun < 5, "the run does not wait for it"
    events_log.finish(patience)
    return [event["message"] for event in read_events(log) if event["event"] == "warning"]


def test_one_that_is_slow_or_fails_is_a_warning_and_no_more(tmp_path: Path) -> None:
    seen: list[Any] = []

    def slow(event: Mapping[str, Any], run: Path) -> None:
        time.sleep(10)

    def fails(event: Mapping[str, Any], run: Path) -> None:
        seen.append((event["step"], run))
        raise OSError("no tracker there")

    (late,) = shown(tmp_path / "slow.jsonl", slow, patience=0.05)
    assert "the observer `x` is slow: the run ends, and it has not seen all of it (4 events wait)" in late
    (missed, _) = sorted(shown(tmp_path / "full.jsonl", slow, most=2, patience=0.05), key=len)
    assert re.fullmatch("the observer `x` is slow: [23] events were not shown to it", missed)
    (failed,) = shown(tmp_path / "fails.jsonl", fails)
    assert failed == "the observer `x` raised OSError: no tracker there; it sees no more of this run"
    assert seen == [(0, tmp_path)]
    assert shown(tmp_path / "well.jsonl", lambda event, run: seen.append(event)) == []
    assert [event["step"] for event in seen[1:]] == [0, 1, 2, 3, 4]


def test_an_observer_that_is_not_there_is_an_error_before_anything_begins(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "spec.yaml", "--observer", "mlflo"]) == 2
    assert "unknown observer `mlflo`\n  help: did you mean `mlflow`?" in capsys.readouterr().err
    monkeypatch.delitem(sys.modules, "ftcore_plugins.trackers.wandb", raising=False)
    monkeypatch.setattr("ftcore_plugins.trackers.following.find_spec", lambda name: None)
    assert main(["run", "spec.yaml", "--observer", "wandb"]) == 2
    assert "pip install 'ftcore[wandb]'" in capsys.readouterr().err
    (project / "pyproject.toml").write_text("[tool.ftcore]\nobservers = 'mlflow'\n")
    assert main(["train", "spec.yaml"]) == 2
    assert "`observers` in [tool.ftcore] is not a list of texts" in capsys.readouterr().err
    assert not (project / "runs").exists()


def test_trackers_at_work_at_the_same_time_keep_each_its_own_name(tmp_path: Path) -> None:
    names = [f"tracker-{number}" for number in range(16)]
    with ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda name: Tracked(name, tmp_path).remember(name.upper()), names))
    assert {name: Tracked(name, tmp_path).known_as for name in names} == {
        name: name.upper() for name in names
    }


def test_trackers_that_nobody_asked_for_are_not_imported(project: Path) -> None:
    code = (
        "import sys; from ftcore.plugins import PluginRegistry; print(PluginRegistry.discover().observers())"
    )
    found = subprocess.run(
        [sys.executable, "-c", f"{code}; print('ftcore_plugins' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
        cwd=project,
    )
    assert found.stdout.split("\n")[:2] == ["([], [])", "False"]
