"""The checkpoint store alone: crashes and errors at every point of a save, and what is kept."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from ftcore.errors import UserError
from ftcore.training.checkpoint import (
    BadCheckpointError,
    CheckpointStore,
    Progress,
    Setting,
    Training,
    verify,
)

SETTING = Setting(processes=1, precision="fp32", threads=1)


def training() -> Training:
    """A linear layer with an AdamW that has a state."""
    model = torch.nn.Linear(2, 2)
    optimizer = torch.optim.AdamW(model.parameters(), fused=True)
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    return Training(model, optimizer)


def store_of(folder: Path, warnings: list[str] | None = None) -> CheckpointStore:
    return CheckpointStore(folder, (warnings if warnings is not None else []).append)


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    store, saved = store_of(tmp_path), training()
    saved.extras = {"average": torch.arange(3.0)}
    progress = Progress(step=5, epoch=1, step_in_epoch=2, best_value=0.5, best_step=5)
    torch.manual_seed(7)
    random.seed(7)
    store.save(saved, progress, SETTING)
    drawn = (torch.rand(3).tolist(), random.random())

    other = training()
    other.extras = {"average": torch.zeros(3)}
    found = store.newest()
    assert found is not None
    assert (found.progress, found.setting) == (progress, SETTING)
    store.restore(found, other)
    assert (torch.rand(3).tolist(), random.random()) == drawn
    assert other.extras["average"].tolist() == [0, 1, 2]
    assert torch.equal(other.model.weight, saved.model.weight)
    for ours, theirs in zip(other.optimizer.state.values(), saved.optimizer.state.values(), strict=True):
        assert all(torch.equal(ours[name], theirs[name]) for name in theirs)


def test_there_is_nothing_but_safetensors_and_json(tmp_path: Path) -> None:
    folder = store_of(tmp_path).save(training(), Progress(step=1), SETTING)
    assert {file.suffix for file in folder.iterdir()} == {".safetensors", ".json"}


#: Moments of a save where a process may die or the disk may fail: a function, and which of its calls.
POINTS = [
    ("pathlib.Path.mkdir", 0),
    ("pathlib.Path.mkdir", 2),
    ("ftcore.training.checkpoint.save_model", 0),
    ("ftcore.training.checkpoint.save_file", 0),
    ("ftcore.training.checkpoint.sha256", 1),
    ("os.fsync", 0),
    ("os.fsync", 6),
    ("pathlib.Path.replace", 0),  # of a JSON file
    ("pathlib.Path.replace", 2),
    ("os.fsync", 8),
    ("pathlib.Path.replace", 3),  # of the folder
    ("os.fsync", 12),
    ("ftcore.training.checkpoint.verify", 0),
    ("pathlib.Path.rename", 0),  # of a checkpoint that is not kept
    ("shutil.rmtree", 4),
    ("os.unlink", 3),
]


#: A failure here is not the caller's: what cannot be deleted, or read again, is left to the next save.
QUIET = ("ftcore.training.checkpoint.verify", "os.unlink")


def at(name: str, call: int, act: Callable[[], Any], after: bool = False) -> Callable[[], None]:
    """Do `act` before (or after) the nth call of a function; gives what undoes it."""
    import importlib

    owner_name, attribute = name.rsplit(".", 1)
    try:
        owner: Any = importlib.import_module(owner_name)
    except ModuleNotFoundError:
        module, class_name = owner_name.rsplit(".", 1)
        owner = getattr(importlib.import_module(module), class_name)
    whole, count = getattr(owner, attribute), iter(range(10**9))

    def acting(*arguments: Any, **options: Any) -> Any:
        mine = next(count) == call
        if mine and not after:
            act()
        result = whole(*arguments, **options)
        if mine and after:
            act()
        return result

    setattr(owner, attribute, acting)
    return lambda: setattr(owner, attribute, whole)


@pytest.mark.skipif(torch.cuda.is_available(), reason="a fork cannot use CUDA")
@pytest.mark.filterwarnings(
    "ignore:This process:DeprecationWarning"
)  # is multi-threaded, says Python 3.12 of a fork
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_kill_at_any_point_of_a_save_leaves_the_checkpoints_before_it(tmp_path: Path, when: str) -> None:
    """Fork a process for each point: importing torch sixteen times would take minutes."""
    for number, (name, call) in enumerate(POINTS):
        folder = tmp_path / str(number)
        state = training()  # in this process: torch may refuse to compute gradients in a fork
        pid = os.fork()
        if pid == 0:
            status = 0  # reached where the point was never come to
            try:
                torch.set_num_threads(1)
                store = store_of(folder)
                for step in (1, 2, 3):
                    store.save(state, Progress(step=step, best_step=1), SETTING)
                at(name, call, lambda: os.kill(os.getpid(), signal.SIGKILL), after=when == "after")
                store.save(state, Progress(step=4, best_step=1), SETTING)
            except BaseException:  # noqa: BLE001 (a fork must not go back to pytest)
                traceback.print_exc()
                status = 1
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == signal.SIGKILL, f"{name} is not called {call + 1} times"
        warnings: list[str] = []
        store = store_of(folder, warnings)
        found = store.newest()
        assert warnings == [], "a crash leaves no checkpoint that is damaged"
        assert found is not None
        assert found.progress.step in (3, 4)
        verify(store.path(1))
        store.save(training(), Progress(step=5, best_step=1), SETTING)
        assert not list(folder.glob(".*")), "the next save clears away what the crash left"


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EACCES])
@pytest.mark.parametrize(("name", "call"), [point for point in POINTS if point[0] not in QUIET])
def test_an_error_at_any_point_of_a_save_leaves_the_checkpoints_before_it(
    tmp_path: Path, name: str, call: int, number: int
) -> None:
    store, state = store_of(tmp_path), training()
    for step in (1, 2, 3):
        store.save(state, Progress(step=step, best_step=1), SETTING)

    def fail() -> None:
        raise OSError(number, os.strerror(number))

    undo = at(name, call, fail)
    try:
        with pytest.raises(OSError, match=os.strerror(number)):
            store.save(state, Progress(step=4, best_step=1), SETTING)
    finally:
        undo()
    found = store.newest()
    assert found is not None
    assert found.progress.step in (3, 4)
    verify(store.path(1))


@pytest.mark.parametrize("steps", [500, pytest.param(10_000, marks=pytest.mark.slow)])
def test_best_and_the_last_two_good_survive(tmp_path: Path, monkeypatch, steps: int) -> None:
    """A run that gets better and worse, is damaged, killed and resumed at random; files are tiny stand-ins."""

    def write(self: Any, folder: Path, state: Any, progress: Progress, setting: Setting) -> None:
        (folder / "model.safetensors").write_bytes(str(progress.step).encode())
        (folder / "state.json").write_text(json.dumps({"progress": vars(progress), "setting": vars(setting)}))

    monkeypatch.setattr(CheckpointStore, "_write", write)
    monkeypatch.setattr("ftcore_runtime.publishing.sync", lambda _: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    draw = random.Random(0)
    store, progress, whole = store_of(tmp_path), Progress(), {}
    for _ in range(steps):
        progress.step += draw.randint(1, 3)
        if draw.random() < 0.3 or progress.best_value is None:
            value = draw.random()
            if progress.best_value is None or value > progress.best_value:
                progress.best_value, progress.best_step = value, progress.step
        before = set(whole)
        store.save(None, progress, SETTING)  # type: ignore[arg-type]
        whole = {step for step in store.steps() if sound(store, step)}
        assert {progress.step, progress.best_step} <= whole
        if before - {progress.step}:
            assert max(before - {progress.step}) in whole, "the one before the newest is kept"
        assert len(store.steps()) <= 4
        event = draw.random()
        if event < 0.1:  # damage to the newest, then a resume
            shutil.rmtree(store.path(progress.step)) if event < 0.02 else spoil(
                store.path(progress.step), draw
            )
        if event < 0.2:
            store = store_of(tmp_path)
            found = store.newest()
            assert found is not None
            progress = found.progress
            whole = {step for step in store.steps() if sound(store, step)}
            assert progress.best_step in whole, "what a run goes on from knows a best one that is there"
            if draw.random() < 0.05:
                progress.best_value = 0.0 if progress.best_value is None else progress.best_value * 0.5


def sound(store: CheckpointStore, step: int) -> bool:
    try:
        verify(store.path(step))
    except BadCheckpointError:
        return False
    return True


def spoil(folder: Path, draw: random.Random) -> None:
    file = draw.choice(list(folder.iterdir()))
    kind = draw.randrange(4)
    if kind == 0:
        file.unlink()
    elif kind == 1:
        os.truncate(file, file.stat().st_size // 2)
    elif kind == 2:
        (folder / "extra").write_bytes(b"")
    else:
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)


def test_a_damaged_best_checkpoint_is_an_error_and_not_other_weights(tmp_path: Path) -> None:
    store, state = store_of(tmp_path), training()
    for step in (1, 2):
        store.save(state, Progress(step=step, best_step=1), SETTING)
    (store.path(1) / "model.safetensors").unlink()
    with pytest.raises(UserError, match=r"best weights is damaged: model\.safetensors is missing"):
        store.load_weights(state.model, 1)
