"""SIGTERM and Ctrl-C in every phase of a run: its own exit code, the status "interrupted", and a run that resumes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from graph_cache import cache
from models import tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.errors import ExitCode, Interrupted
from ftcore.training.stopping import StopRequest, listen

#: A phase, and a function that is called within it: before there is a run's folder, and after.
FIRST_PHASES = {
    "reading data": ("ftcore.data.load", "stage"),
    "splitting": ("ftcore.data.load", "hold_out"),
}
PHASES = {
    "tokenising": ("ftcore.data.features", "_write"),
    "building the model": ("ftcore.families.sequence_classification.model", "build_classifier"),
    "rehearsing": ("ftcore.runs.steps", "rehearse"),
    "saving": ("ftcore.training.checkpoint", "save_model"),
    "keeping the model": ("ftcore.runs.model_folder", "save_tokenizer"),
    "measuring": ("ftcore.runs.split_evaluation", "prediction_lines"),
    "writing graphs": ("ftcore.runs.export", "export_graph"),
    "writing the bundle": ("ftcore.runs.run_bundle", "write_bundle"),
}


@pytest.fixture
def spec(project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FTCORE_CACHE", cache(project / "cache"))
    path = project / "labels.yaml"
    training = {"max_steps": 4, "evaluate_every": 2, "checkpoint_every": 1}
    YAML().dump(tiny_spec(tiny_base, training=training, export={"variants": ["fp32"]}), path)
    return path


def signal_in(monkeypatch: pytest.MonkeyPatch, module: str, name: str, number: int) -> None:
    """Send this process a signal, once, when a function begins."""
    import importlib

    owner = importlib.import_module(module)
    whole, sent = getattr(owner, name), iter([True])

    def signalled(*arguments: Any, **options: Any) -> Any:
        if next(sent, False):
            os.kill(os.getpid(), number)
        return whole(*arguments, **options)

    monkeypatch.setattr(owner, name, signalled)


def only_run(project: Path) -> Path:
    (record,) = project.glob("runs/*/*/run.json")
    return record.parent


@pytest.mark.parametrize("phase", PHASES)
def test_a_run_terminated_in_any_phase_is_interrupted_and_resumes(
    spec: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys, phase: str
) -> None:
    module, name = PHASES[phase]
    number = signal.SIGINT if phase == "tokenising" else signal.SIGTERM
    with monkeypatch.context() as patch:
        signal_in(patch, module, name, number)
        assert main(["run", str(spec)]) == (130 if number == signal.SIGINT else 143)
    run = only_run(project)
    assert json.loads((run / "run.json").read_text())["status"] == "interrupted"
    assert "ftcore resume" in capsys.readouterr().err
    left = [path for path in (project / "cache").rglob("*") if path.name.startswith(".")]
    assert left == [], "nothing half made stays in the cache"
    exports = phase in ("writing graphs", "writing the bundle")
    if not exports:  # it takes seconds, and these phases are long past when it begins
        monkeypatch.setattr("ftcore.runs.steps.export", lambda *_: [])
    assert main(["resume", str(run)]) == 0
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "finished"
    assert record["steps"] == ["train", "evaluate", "export"]
    assert (run / "bundle" / "bundle.json").exists() == exports
    assert not [path.name for path in run.iterdir() if path.name.startswith(".") and path.name != ".lock"]


@pytest.mark.parametrize("phase", FIRST_PHASES)
def test_a_run_terminated_before_it_has_a_folder_leaves_nothing(
    spec: Path, project: Path, monkeypatch: pytest.MonkeyPatch, capsys, phase: str
) -> None:
    with monkeypatch.context() as patch:
        signal_in(patch, *FIRST_PHASES[phase], signal.SIGTERM)
        assert main(["run", str(spec)]) == 143
    assert capsys.readouterr().err == "error: interrupted\n"
    assert not (project / "runs").exists()
    assert [path for path in (project / "cache").rglob("*") if path.name.startswith(".")] == []


@pytest.mark.usefixtures("unexported")
def test_a_signal_within_an_evaluation_stops_there_and_the_evaluation_is_made_up_for(
    spec: Path, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ftcore.training import engine

    whole = engine._Loop._measure

    def signalled(self: Any) -> Any:
        os.kill(os.getpid(), signal.SIGTERM)
        pytest.fail("the evaluation went on")
        return whole(self)

    with monkeypatch.context() as patch:
        patch.setattr(engine._Loop, "_measure", signalled)
        assert main(["train", str(spec)]) == 143
    run = only_run(project)
    assert max((run / "checkpoints").glob("step-*")).name == "step-00000002"
    assert main(["resume", str(run)]) == 0
    lines = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    assert [line["step"] for line in lines if line["event"] == "evaluated"] == [2, 4]


def test_a_stop_is_raised_at_once_where_nothing_defers_it() -> None:
    with pytest.raises(Interrupted), listen():
        os.kill(os.getpid(), signal.SIGTERM)


def test_a_deferred_stop_is_noted_and_raised_at_the_end_of_the_block() -> None:
    noted: list[int | None] = []

    def block() -> None:
        with listen() as stop, stop.deferred():
            os.kill(os.getpid(), signal.SIGINT)
            noted.append(stop.exit_code)

    with pytest.raises(Interrupted) as raised:
        block()
    assert noted == [130]
    assert raised.value.exit_code == 130


def test_within_a_deferred_block_a_part_may_be_broken_off() -> None:
    reached: list[str] = []

    def block() -> None:
        stop = StopRequest()
        with stop.deferred():
            stop.ask(ExitCode.TERMINATED)
            reached.append("noted")
            with stop.at_once():
                reached.append("a stop was asked for before")

    with pytest.raises(Interrupted):
        block()
    assert reached == ["noted"]


@pytest.mark.parametrize("before", [signal.default_int_handler, signal.SIG_IGN], ids=["heard", "ignored"])
@pytest.mark.parametrize("first", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_acts_as_if_nobody_listened(first: int, before: Any) -> None:
    """`ignored` is how a shell without job control starts `make test &`."""

    def block() -> None:
        with listen() as stop, stop.deferred():
            os.kill(os.getpid(), first)
            while stop.exit_code is None:  # two at once would be one
                time.sleep(0.001)
            os.kill(os.getpid(), signal.SIGINT)
            while True:  # another thread may be the one that the system hands it to
                time.sleep(0.001)

    own = signal.signal(signal.SIGINT, before)
    try:
        with pytest.raises(KeyboardInterrupt) as raised:
            block()
        assert signal.getsignal(signal.SIGINT) is before
    finally:
        signal.signal(signal.SIGINT, own)
    assert not isinstance(raised.value, Interrupted)


def test_a_second_signal_that_comes_while_the_first_is_noted_is_not_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ask = StopRequest.ask

    def signalled(self: StopRequest, exit_code: ExitCode) -> None:
        monkeypatch.setattr(StopRequest, "ask", ask)
        signal.raise_signal(signal.SIGINT)
        ask(self, exit_code)

    monkeypatch.setattr(StopRequest, "ask", signalled)
    with pytest.raises(KeyboardInterrupt) as raised, listen() as stop, stop.deferred():
        signal.raise_signal(signal.SIGINT)
    assert not isinstance(raised.value, Interrupted)


@pytest.mark.parametrize("sent", ["SIGTERM SIGTERM", "SIGINT SIGTERM", "both at once"])
def test_a_second_sigterm_ends_the_process_at_once_and_says_nothing(sent: str) -> None:
    one_by_one = "for name in sent.split(): signal.raise_signal(getattr(signal, name))"
    at_once = """
        both = {signal.SIGINT, signal.SIGTERM}
        signal.pthread_sigmask(signal.SIG_BLOCK, both)
        for number in both:
            os.kill(os.getpid(), number)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, both)"""
    script = f"""
import os, signal
from ftcore.training.stopping import listen
sent = {sent!r}
with listen() as stop, stop.deferred():
    if True:
        {at_once if sent == "both at once" else one_by_one}
print("went on")"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (-signal.SIGTERM, "", "")
