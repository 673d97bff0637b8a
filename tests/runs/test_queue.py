"""Several specs in one command: each in a process of its own, a failing one alone, a killed queue goes on."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from graph_cache import cache
from models import tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.errors import ExitCode
from ftcore.plugins import PluginRegistry
from ftcore.runs import queue
from ftcore.runs.folder import RunFolder
from ftcore.spec import load_spec

SHORT: dict[str, Any] = {"training": {"max_steps": 2}, "export": {"variants": ["fp32"], "parity_rows": 4}}


def write(folder: Path, name: str, base: Path, **sections: Any) -> Path:
    YAML().dump(tiny_spec(base, **{**SHORT, **sections}), folder / f"{name}.yaml")
    return folder / f"{name}.yaml"


@pytest.fixture
def started(tmp_path: Path) -> Iterator[list[subprocess.Popen[str]]]:
    """Queues, which may not outlive the test, nor may the processes of their runs."""
    queues: list[subprocess.Popen[str]] = []
    yield queues
    for one in queues:
        one.kill()
        one.wait()
        assert one.stdout is not None
        one.stdout.close()
    for file in tmp_path.glob("runs/*/*/run.json"):
        left = json.loads(file.read_text())
        if left["status"] == "running":
            with suppress(ProcessLookupError):
                os.kill(left["process"]["pid"], signal.SIGKILL)


def command(folder: Path, *names: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "ftcore", "run", *(f"{name}.yaml" for name in names), "--jobs", "2"],
        cwd=folder,
        env={**os.environ, "FTCORE_CACHE": cache(folder / "cache")},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def record(folder: Path, name: str) -> dict[str, Any]:
    (file,) = (folder / "runs" / name).glob("*/run.json")
    return json.loads(file.read_text())


def wait_until(condition: Callable[[], Any], of: subprocess.Popen[str]) -> None:
    """Wait for something that a queue does, for as long as it is at work: how long that is, the machine decides."""
    while not condition():
        assert of.poll() is None, of.communicate()[0]
        time.sleep(0.1)


@pytest.mark.timeout(900)  # six processes that import torch
def test_a_failing_run_fails_alone_and_a_killed_queue_goes_on(
    tmp_path: Path, tiny_base: Path, started: list[subprocess.Popen[str]]
) -> None:
    write(tmp_path, "first", tiny_base)
    write(tmp_path, "bad", tiny_base, model={"keep_layers": 9})
    write(tmp_path, "long", tiny_base, training={"max_steps": 100_000, "checkpoint_every": 20})
    killed = command(tmp_path, "first", "bad", "long")
    started.append(killed)
    wait_until(lambda: [*tmp_path.glob("runs/long/*/checkpoints/step-*")], killed)
    os.killpg(killed.pid, signal.SIGKILL)  # the queue; its runs are in sessions of their own
    killed.communicate()
    process = record(tmp_path, "long")["process"]["pid"]
    os.kill(process, signal.SIGKILL)

    again = command(tmp_path, "first", "bad", "long")
    started.append(again)
    (log,) = tmp_path.glob("runs/long/*/console.log")
    wait_until(lambda: "resumed from the checkpoint of step" in log.read_text(), again)
    wait_until(lambda: record(tmp_path, "first")["status"] == "finished", again)
    wait_until(lambda: record(tmp_path, "bad")["status"] == "failed", again)
    again.send_signal(signal.SIGTERM)
    out, _ = again.communicate()
    assert again.returncode == 143, out
    assert "the same command goes on" in out
    assert record(tmp_path, "long")["status"] == "interrupted", "the stop was passed on"
    assert len(list(tmp_path.glob("runs/*/*"))) == 3, "no run was made twice"
    assert "bad: failed: model.keep_layers: the base model has 2 layers, fewer than 9" in out


class Process:
    """Stands in for the process of a run: it ends at the second look, with the code that its spec is named after."""

    started: ClassVar[list[tuple[str, dict[str, str]]]] = []

    def __init__(self, arguments: list[str], env: dict[str, str], **_: Any) -> None:
        self.folder = RunFolder(Path(arguments[4]))
        self.started.append((self.folder.path.parent.name, env))
        self.returncode: int | None = None
        self.looks = 0

    def poll(self) -> int | None:
        self.looks += 1
        if self.looks == 2:
            self.returncode = int(self.folder.path.parent.name.split("-")[1])
            self.folder.mark("failed" if self.returncode else "finished", error="it broke\nbadly")
        return self.returncode


@pytest.fixture
def plan(project: Path, tiny_base: Path, shipped: PluginRegistry, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(queue, "_POLL", 0.0)
    monkeypatch.setattr(queue, "subprocess", SimpleNamespace(Popen=Process, DEVNULL=None, STDOUT=None))
    Process.started.clear()

    def make(*names: str) -> tuple[list[queue.Entry], Path]:
        specs = [load_spec(write(project, name, tiny_base), shipped, []) for name in names]
        return queue.plan(specs, project / "runs")

    return make


def test_each_job_has_one_gpu_or_its_share_of_the_cores(plan: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    entries, _ = plan("a-0", "b-0", "c-0")
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    queue.run_queue(entries, 2, [], [], lambda _: None)
    assert [environment["OMP_NUM_THREADS"] for _, environment in Process.started] == ["4"] * 3
    Process.started.clear()
    for entry in entries:
        entry.folder.mark("waiting")
        entry.status = "waiting"
    queue.run_queue(entries, 2, ["0", "3"], [], lambda _: None)
    assert [environment["CUDA_VISIBLE_DEVICES"] for _, environment in Process.started][:2] == ["0", "3"]
    assert queue.exit_code_of(entries) == ExitCode.OK


def test_a_gpu_is_shared_when_what_its_run_takes_is_known_to_fit(
    plan: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries, _ = plan("a-0", "b-0")
    asked = []

    def free(gpu: str) -> int:
        asked.append(gpu)
        return 80_000_000_000

    monkeypatch.setattr(queue, "free_memory", free)
    measured = {"event": "step", "step": 10, "loss": 1.0, "gpu_bytes": 9_000_000_000}
    entries[0].folder.events_file.write_text(json.dumps(measured))
    together = []

    def show(seen: Any) -> None:
        together.append(sum(entry.gpu == "0" and entry.status != "finished" for entry in seen))

    queue.run_queue(entries, 2, ["0"], [], show)
    assert together[0] == 1, "before its memory is known the first has the GPU to itself"
    assert max(together) == 2
    assert asked == ["0"] * len(asked) != []
    assert entries[0].peak == 9_000_000_000


def test_no_more_than_jobs_run_at_once(plan: Any) -> None:
    entries, _ = plan("a-0", "b-0", "c-0", "d-0", "e-0")
    most = 0

    def show(seen: Any) -> None:
        nonlocal most
        most = max(most, len(Process.started) - sum(entry.status == "finished" for entry in seen))

    queue.run_queue(entries, 2, [], [], show)
    assert most == 2
    assert len(Process.started) == 5


def test_the_exit_code_says_whether_any_failed(plan: Any) -> None:
    entries, _ = plan("a-0", "b-3")
    queue.run_queue(entries, 1, [], [], lambda _: None)
    assert queue.exit_code_of(entries) == ExitCode.CHECK_FAILED
    assert entries[1].note == "it broke"
    entries, _ = plan("a-0", "b-3", "c-1")
    queue.run_queue(entries, 1, [], [], lambda _: None)
    assert queue.exit_code_of(entries) == ExitCode.FAILED


def test_planned_again_what_is_finished_stays_and_a_changed_spec_gets_a_new_run(
    plan: Any, project: Path, tiny_base: Path, shipped: PluginRegistry
) -> None:
    entries, _ = plan("a-0", "b-1", "c-0")
    queue.run_queue(entries, 1, [], [], lambda _: None)
    Process.started.clear()
    write(project, "c-0", tiny_base, training={"max_steps": 3})
    specs = [load_spec(project / f"{name}.yaml", shipped, []) for name in ("a-0", "b-1", "c-0")]
    again, _ = queue.plan(specs, project / "runs")
    assert [entry.folder == before.folder for entry, before in zip(again, entries, strict=True)] == [
        True,
        True,
        False,
    ]
    queue.run_queue(again, 1, [], [], lambda _: None)
    assert [name for name, _ in Process.started] == ["b-1", "c-0"]


def test_a_spec_that_is_named_twice_is_refused(
    project: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(project, "a-0", tiny_base)
    assert main(["run", "a-0.yaml", "./a-0.yaml"]) == 2
    printed = capsys.readouterr().err
    assert "./a-0.yaml: is there twice, as `a-0.yaml`\n  help: name two that differ" in printed
    assert not (project / "runs").exists()
