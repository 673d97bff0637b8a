"""A run that was stopped anywhere and resumed ends with the very bytes of one that never was."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from models import tiny_spec
from ruamel.yaml import YAML
from stopping import stop_within

from ftcore.cli import main
from ftcore.training import device

#: 96 training rows make 12 micro-batches of 8 and 4 steps an epoch; dropout is BERT's own 0.1.
TRAINING = {
    "epochs": 3,
    "batch_size": 8,
    "gradient_accumulation": 3,
    "checkpoint_every": 2,
    "early_stopping": {"patience": 20},
}


@pytest.fixture
def spec(project: Path, tiny_base: Path) -> Path:
    path = project / "labels.yaml"
    YAML().dump(tiny_spec(tiny_base, training=TRAINING), path)
    return path


def train(spec: Path, name: str, *options: str) -> tuple[int, Path]:
    """Exit code and run folder."""
    code = main(["train", str(spec), "--runs-dir", name, *options])
    (run,) = Path(name).glob("*/*")
    return code, run


def manifest(run: Path) -> dict[str, Any]:
    """Hashes of the last checkpoint: weights, optimizer, random states, progress."""
    newest = max((run / "checkpoints").glob("step-*"))
    return {"name": newest.name, **json.loads((newest / "manifest.json").read_text())}


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


def status(run: Path) -> str:
    return json.loads((run / "run.json").read_text())["status"]


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("whole")
    path = folder / "labels.yaml"
    YAML().dump(tiny_spec(tiny_base, training=TRAINING), path)
    code, run = train(path, str(folder / "runs"))
    assert code == 0
    assert len(events(run, "evaluated")) == 3
    return {"manifest": manifest(run), "weights": json.loads((run / "run.json").read_text())["weights"]}


@pytest.mark.usefixtures("unexported")
def test_a_run_stopped_mid_epoch_again_and_again_ends_as_if_it_never_was(
    spec: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        stop_within(patch, 1)
        code, run = train(spec, "stopped")
    assert code == 143
    for step in (3, 4, 7):  # within an epoch, at its end (before its evaluation), and beside a checkpoint
        with monkeypatch.context() as patch:
            stop_within(patch, step)
            assert main(["resume", str(run)]) == 143
        assert status(run) == "interrupted"
        assert manifest(run)["name"] == f"step-{step:08d}", "stopped within the step"
        assert f"ftcore resume {run}" in capsys.readouterr().err
    assert main(["resume", str(run)]) == 0
    assert "resumed from the checkpoint of step 7" in capsys.readouterr().out
    assert manifest(run) == uninterrupted["manifest"]
    assert json.loads((run / "run.json").read_text())["weights"] == uninterrupted["weights"]


def test_run_resume_says_the_same_as_resume(
    spec: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        stop_within(patch, 6, number=signal.SIGINT)
        code, run = train(spec, "stopped")
    assert code == 130
    assert main(["run", "--resume", str(run)]) == 0
    assert manifest(run) == uninterrupted["manifest"]
    assert (run / "bundle" / "bundle.json").exists(), "`run` takes the steps that `train` left"


@pytest.mark.usefixtures("unexported")
def test_what_a_resumed_run_goes_on_with_is_what_it_began_with(
    spec: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    threads = torch.get_num_threads()
    with monkeypatch.context() as patch:
        stop_within(patch, 5)
        _, run = train(spec, "stopped", "--set", "training.precision=auto")
    began = events(run, "device")[-1]
    try:
        torch.set_num_threads(threads + 1)
        monkeypatch.setattr(device, "choose_precision", lambda wanted: pytest.fail("chosen twice"))
        assert main(["resume", str(run)]) == 0
    finally:
        torch.set_num_threads(threads)
    went_on = events(run, "device")[-1]
    assert (went_on["precision"], went_on["threads"]) == (began["precision"], began["threads"])


@pytest.mark.usefixtures("unexported")
def test_a_run_stopped_before_its_first_checkpoint_starts_over_and_says_so(
    spec: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from ftcore.runs import steps as step

    def stopped(*_: Any) -> None:
        os.kill(os.getpid(), signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(step, "rehearse", stopped)
        code, run = train(spec, "stopped")
    assert code == 143
    assert status(run) == "interrupted"
    assert main(["resume", str(run)]) == 0
    assert "no checkpoint yet, so from step 0" in capsys.readouterr().out
    assert manifest(run) == uninterrupted["manifest"]


Damage = Callable[[Path], None]


def cut_short(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)


def missing(file: Path) -> None:
    file.unlink()


def extra(file: Path) -> None:
    (file.parent / f"{file.stem}.copy").write_bytes(b"")


FILES = ["model.safetensors", "optimizer.safetensors", "random-0.json", "state.json", "manifest.json"]


@pytest.fixture(scope="module")
def stopped_run(tmp_path_factory: pytest.TempPathFactory, tiny_base: Path) -> Path:
    """A run that was stopped in step 7; it has checkpoints of the steps 4, 6 and 7."""
    folder = tmp_path_factory.mktemp("stopped")
    path = folder / "labels.yaml"
    YAML().dump(tiny_spec(tiny_base, training=TRAINING), path)
    with pytest.MonkeyPatch.context() as patch:
        stop_within(patch, 7)
        code = main(["train", str(path), "--runs-dir", str(folder / "runs")])
    assert code == 143
    (run,) = folder.glob("runs/*/*")
    return run


@pytest.mark.parametrize("damage", [cut_short, flip_a_bit, missing, extra])
@pytest.mark.parametrize("file", FILES)
def test_a_damaged_checkpoint_is_named_and_the_one_before_is_used(
    stopped_run: Path, tmp_path: Path, capsys, file: str, damage: Damage
) -> None:
    import shutil

    run = tmp_path / "labels" / stopped_run.name
    shutil.copytree(stopped_run, run)
    steps = sorted(folder.name for folder in (run / "checkpoints").glob("step-*"))
    assert steps == ["step-00000004", "step-00000006", "step-00000007"]
    damage(run / "checkpoints" / steps[-1] / file)
    from ftcore.training.checkpoint import CheckpointStore

    warnings: list[str] = []
    found = CheckpointStore(run / "checkpoints", warnings.append).newest()
    assert found is not None
    assert found.progress.step == 6
    (warning,) = warnings
    assert "step-00000007 is damaged" in warning
    if (file, damage) != ("manifest.json", flip_a_bit):  # that makes the hash of another file look wrong
        assert (f"{Path(file).stem}.copy" if damage is extra else file) in warning


@pytest.mark.usefixtures("unexported")
def test_a_run_goes_on_past_a_damaged_checkpoint_and_ends_the_same(
    spec: Path, uninterrupted: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        stop_within(patch, 7)
        _, run = train(spec, "stopped")
    flip_a_bit(run / "checkpoints" / "step-00000007" / "optimizer.safetensors")
    assert main(["resume", str(run)]) == 0
    out = capsys.readouterr().out
    assert "step-00000007 is damaged (optimizer.safetensors has changed)" in out
    assert "resumed from the checkpoint of step 6" in out
    assert manifest(run) == uninterrupted["manifest"]


def test_where_no_checkpoint_is_whole_it_is_an_error_that_says_what_to_do(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        stop_within(patch, 3)
        _, run = train(spec, "stopped")
    for folder in (run / "checkpoints").glob("step-*"):
        missing(folder / "model.safetensors")
    assert main(["resume", str(run)]) == 2
    err = capsys.readouterr().err
    assert "none of the 2 checkpoints is whole: step-00000002, step-00000003" in err
    assert "delete this folder and resume again" in err


def test_a_run_from_another_number_of_processes_is_refused(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    with monkeypatch.context() as patch:
        stop_within(patch, 3)
        _, run = train(spec, "stopped")
    newest = max((run / "checkpoints").glob("step-*"))
    state = json.loads((newest / "state.json").read_text())
    state["setting"]["processes"] = 4
    (newest / "state.json").write_text(json.dumps(state))
    sealed = json.loads((newest / "manifest.json").read_text())
    import hashlib

    data = (newest / "state.json").read_bytes()
    sealed["files"]["state.json"] = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    (newest / "manifest.json").write_text(json.dumps(sealed))
    assert main(["resume", str(run)]) == 2
    assert "torchrun --nproc-per-node 4 -m ftcore resume" in capsys.readouterr().err


def test_nothing_is_unpickled_when_a_run_is_resumed(spec: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stop_within(patch, 3)
        _, run = train(spec, "stopped")
    found: list[str] = []
    watching = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "pickle.find_class":
            found.append(str(arguments))

    sys.addaudithook(hook)
    try:
        assert main(["resume", str(run)]) == 0
        assert found == []
    finally:
        watching = False


def test_a_second_process_may_not_work_on_the_same_run(
    spec: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    from ftcore.files import locked
    from ftcore.runs import status as run_status

    with monkeypatch.context() as patch:
        stop_within(patch, 3)
        _, run = train(spec, "stopped")
    monkeypatch.setattr(run_status, "_PATIENCE", 0.1)
    with locked(run / ".lock"):
        assert main(["resume", str(run)]) == 2
    assert "another process is at work on this run" in capsys.readouterr().err


def test_a_killed_run_is_shown_as_stopped(spec: Path, capsys) -> None:
    from ftcore.files import locked

    _, run = train(spec, "runs")
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "status": "running"}))
    capsys.readouterr()
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["status"] == "stopped"
    with locked(run / ".lock"):
        assert main(["runs"]) == 0
    assert "running" in capsys.readouterr().out
