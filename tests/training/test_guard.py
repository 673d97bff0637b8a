"""NaN and Inf never reach the weights; the message names the step and the rows."""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.errors import RunFailed
from ftcore.training import checkpoint, engine
from ftcore.training.gradients import Gradients
from ftcore.training.guard import FiniteGuard, Seen


def seen(*losses: float) -> Seen:
    batches = [np.array([10 * i, 10 * i + 1]) for i in range(len(losses))]
    return Seen([torch.tensor(loss) for loss in losses], batches)


def guard(optimizer: Any, *, deferred: bool) -> FiniteGuard:
    return FiniteGuard(
        optimizer,
        torch.device("cpu"),
        deferred=deferred,
        locations=lambda indices: [f"a.csv:{i}" for i in indices],
    )


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_deferred_guard_applies_no_update_from_the_bad_step_on_and_says_so_when_asked(bad: float) -> None:
    """As on a GPU, where the flag is read every few steps; the fused optimizer of the CPU knows it too."""
    weight = torch.nn.Parameter(torch.ones(2))
    optimizer = torch.optim.AdamW([weight], lr=0.1, fused=True)
    watch = guard(optimizer, deferred=True)

    def step(number: int, gradient: float, *losses: float) -> None:
        weight.grad = torch.full((2,), gradient)
        watch.look(number, torch.tensor(gradient), seen(*losses))
        optimizer.step()

    step(1, 1.0, 0.5)
    watch.check()
    after_one = weight.detach().clone()
    assert not torch.equal(after_one, torch.ones(2))
    step(2, bad, 0.5, bad, 0.5)
    step(3, 1.0, 0.5)
    assert torch.equal(weight, after_one), "nor is a sound step after it applied"
    assert optimizer.state[weight]["step"] == 1
    with pytest.raises(RunFailed, match=r"loss of step 2 is not finite.* rows were a\.csv:10, a\.csv:11\n"):
        watch.check()


def test_where_the_losses_are_sound_every_row_of_the_step_is_named() -> None:
    watch = guard(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))]), deferred=False)
    with pytest.raises(
        RunFailed, match=r"gradient of step 4 is not finite \(its loss is\).*a\.csv:0, .*a\.csv:11\n"
    ):
        watch.look(4, torch.tensor(float("inf")), seen(0.5, 0.5))


def test_many_rows_are_counted_and_not_all_named() -> None:
    watch = guard(torch.optim.SGD([torch.nn.Parameter(torch.ones(1))]), deferred=False)
    many = Seen([torch.tensor(float("nan"))], [np.arange(100)])
    with pytest.raises(RunFailed, match=r"a\.csv:39 and 60 more\n"):
        watch.look(1, torch.tensor(float("nan")), many)


@pytest.fixture
def spec(project: Path, tiny_base: Path) -> str:
    training = {"max_steps": 6, "checkpoint_every": 2, "batch_size": 8, "gradient_accumulation": 2}
    YAML().dump(tiny_spec(tiny_base, training=training), project / "labels.yaml")
    return str(project / "labels.yaml")


def the_run(project: Path) -> Path:
    (record,) = project.glob("runs/*/*/run.json")
    return record.parent


@pytest.mark.usefixtures("unexported")
def test_a_nan_ends_the_run_with_the_last_checkpoint_finite_and_it_resumes(
    spec: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    whole, step = Gradients._backward, count()

    def poisoned(self: Any, batches: Any, scales: Any) -> Any:
        bad = next(step) == 4
        scales = [scale * float("nan") if bad and i else scale for i, scale in enumerate(scales)]
        return whole(self, batches, scales)

    with monkeypatch.context() as patch:
        patch.setattr(Gradients, "_backward", poisoned)
        assert main(["train", spec]) == 1
    err = capsys.readouterr().err
    assert "the loss of step 5 is not finite: the update was not applied" in err
    assert "internal error" not in err
    run = the_run(project)
    record = json.loads((run / "run.json").read_text())
    assert record["status"] == "failed"
    rows = record["error"].split("the rows were ")[1].split("\n")[0].split(", ")
    assert 0 < len(rows) <= 8, "those of the one micro-batch at fault"
    found = checkpoint.CheckpointStore(run / "checkpoints", pytest.fail).newest()
    assert found is not None
    assert found.progress.step == 4
    from safetensors.torch import load_file

    assert all(torch.isfinite(t).all() for t in load_file(found.folder / "model.safetensors").values())
    assert main(["resume", str(run)]) == 0


@pytest.mark.usefixtures("unexported")
@pytest.mark.parametrize("code", ["ENOSPC", "EACCES"])
def test_a_full_or_read_only_disk_ends_the_run_with_the_checkpoint_before_it_whole(
    spec: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys, code: str
) -> None:
    import errno

    whole = checkpoint._seal
    number = getattr(errno, code)

    def full(folder: Path) -> None:
        if folder.name.endswith("4"):
            raise OSError(number, os.strerror(number))
        whole(folder)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_seal", full)
        assert main(["train", spec]) == 1
    err = capsys.readouterr().err
    assert f"the checkpoint of step 4 could not be written ({os.strerror(number)})" in err
    assert "the one before stands" in err
    run = the_run(project)
    found = checkpoint.CheckpointStore(run / "checkpoints", pytest.fail).newest()
    assert found is not None
    assert found.progress.step == 2
    assert main(["resume", str(run)]) == 0


def test_a_disk_that_is_full_for_the_record_too_still_says_so(
    spec: str, project: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    import errno

    from ftcore.runs import folder

    def full(*_: Any, **__: Any) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "run.json")

    whole = engine._Loop._step

    def fills(self: Any, micro_batches: Any) -> None:
        whole(self, micro_batches)
        monkeypatch.setattr(folder, "write_json", full)
        full()

    with monkeypatch.context() as patch:
        patch.setattr(engine._Loop, "_step", fills)
        assert main(["train", spec]) == 1
    monkeypatch.undo()
    assert "No space left on device; what was written before stands" in capsys.readouterr().err
