"""Two processes on gloo train as one does: same rows, same losses, same files; stop, resume and fail together."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from graph_cache import cache, working_in
from models import save_tiny_bert, tiny_spec
from ruamel.yaml import YAML
from safetensors.torch import load_file

from ftcore.cli import main
from ftcore.data.batching import BatchPlan

pytestmark = pytest.mark.timeout(900)  # a fixture of three processes that import torch

#: 86 training rows make 11 micro-batches of 8: in the last step of an epoch the second process has none.
TRAINING = {"epochs": 6, "batch_size": 8, "learning_rate": 4e-3, "checkpoint_every": 3}
#: Gradients of one and of two processes differ by the order of their sums alone. AdamW makes more of it: a weight
#: whose gradient is nothing but rounding (the bias of attention's keys) still moves by the learning rate.
GRADIENT_TOLERANCE = 1e-7
LOSS_TOLERANCE = 1e-2


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where one process and then two have trained."""
    folder = tmp_path_factory.mktemp("distributed")
    plain = save_tiny_bert(folder / "base", hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    dropped = save_tiny_bert(folder / "dropped")
    sections: dict[str, tuple[Path, dict[str, Any]]] = {
        "one": (plain, {"gradient_accumulation": 2}),
        "ddp": (plain, {}),
        "fsdp": (plain, {"distributed": "fsdp"}),
        "dense": (plain, {"lazy_embeddings": False}),
        "dropout": (dropped, {"epochs": 2}),
        "one-step-of-one": (plain, {"gradient_accumulation": 2, "max_steps": 1}),
        "one-step-of-two": (plain, {"max_steps": 1}),
        "summed-step-of-one": (plain, {"gradient_accumulation": 4, "max_steps": 1}),
        "summed-step-of-two": (plain, {"gradient_accumulation": 2, "max_steps": 1}),
        "short-step-of-one": (plain, {"gradient_accumulation": 2, "max_steps": 1, "batch_size": 100}),
        "short-step-of-two": (plain, {"max_steps": 1, "batch_size": 100}),
    }
    for name, (base, extra) in sections.items():
        YAML().dump(tiny_spec(base, rows=150, training={**TRAINING, **extra}), folder / f"{name}.yaml")
    environment = {
        **os.environ,
        "OMP_NUM_THREADS": "1",
        "FTCORE_CACHE": cache(folder / ".cache"),
        "CUDA_VISIBLE_DEVICES": "",  # two processes need two GPUs, or none
    }
    script = Path(__file__).with_name("two_processes.py")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run([*launch, str(script)], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with working_in(folder):
        for name in ("one", "one-step-of-one", "summed-step-of-one", "short-step-of-one"):
            assert main(["train", f"{name}.yaml", "--runs-dir", name]) == 0
    return folder


def run_of(folder: Path, name: str) -> Path:
    (run,) = (folder / name).glob("*/*")
    return run


def events(run: Path, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, (run / "events.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


def codes(folder: Path) -> list[dict[str, Any]]:
    return [json.loads((folder / f"codes-{rank}.json").read_text()) for rank in (0, 1)]


@pytest.mark.parametrize("name", ["ddp", "fsdp"])
def test_the_losses_of_two_processes_are_those_of_one(folder: Path, name: str) -> None:
    assert all(code[name] == 0 for code in codes(folder))
    one, two = run_of(folder, "one"), run_of(folder, name)
    assert events(two, "device")[0]["processes"] == 2
    losses = [[step["loss"] for step in events(run, "step")] for run in (one, two)]
    assert len(losses[0]) >= 3
    assert losses[0][0] - losses[0][-1] > 20 * LOSS_TOLERANCE, "there is a curve to compare"
    assert losses[1] == pytest.approx(losses[0], abs=LOSS_TOLERANCE)
    ranks = {"ece", "auc", "average_precision"}  # where all probabilities are alike, rounding orders them
    measured = [
        [
            {name: value for name, value in event["metrics"].items() if name not in ranks}
            for event in events(run, "evaluated")
        ]
        for run in (one, two)
    ]
    assert len(measured[0]) == len(measured[1])
    for alone, together in zip(*measured, strict=True):
        assert together == pytest.approx(alone, abs=LOSS_TOLERANCE), "every validation row counts once"


@pytest.mark.parametrize("step", ["one-step", "summed-step", "short-step"])
def test_the_gradient_of_two_processes_is_that_of_one(folder: Path, step: str) -> None:
    """The first moment of AdamW after one step is the gradient times 0.1. In the short one process has no row."""
    one, two = (
        load_file(
            run_of(folder, f"{step}-of-{who}") / "checkpoints" / "step-00000001" / "optimizer.safetensors"
        )
        for who in ("one", "two")
    )
    moments = [name for name in one if name.endswith("/exp_avg")]
    assert max(float(one[name].abs().max()) for name in moments) > 1000 * GRADIENT_TOLERANCE
    for name in moments:
        assert torch.allclose(one[name], two[name], atol=GRADIENT_TOLERANCE, rtol=1e-4), name


def test_embeddings_that_no_process_read_are_left_alone(folder: Path) -> None:
    """They are not decayed either; and the processes exchange the rows alone that either has read."""
    name = "bert.embeddings.word_embeddings.weight"
    base = load_file(folder / "base" / "model.safetensors")
    (before,) = (tensor for key, tensor in base.items() if key.endswith("word_embeddings.weight"))
    moved = {}
    for run in ("one", "ddp", "dense"):
        after = load_file(run_of(folder, run) / "model" / "model.safetensors")[name]
        moved[run] = (after != before).any(1)
    assert torch.equal(moved["ddp"], moved["one"])
    assert 0 < int(moved["ddp"].sum()) < int(moved["dense"].sum())


def test_one_run_folder_and_one_line_of_events(folder: Path) -> None:
    run = run_of(folder, "ddp")
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    assert [event["step"] for event in events(run, "checkpoint_saved")] == list(
        dict.fromkeys(event["step"] for event in events(run, "checkpoint_saved"))
    )
    newest = max((run / "checkpoints").glob("step-*"))
    assert {"random-0.json", "random-1.json"} <= {file.name for file in newest.iterdir()}


def test_a_sharded_model_is_saved_as_ordinary_safetensors(folder: Path) -> None:
    sharded = load_file(run_of(folder, "fsdp") / "model" / "model.safetensors")
    replicated = load_file(run_of(folder, "dense") / "model" / "model.safetensors")
    assert sharded.keys() == replicated.keys()
    assert all(torch.allclose(sharded[name], replicated[name], atol=1e-4) for name in sharded)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        assert main(["evaluate", str(run_of(folder, "fsdp"))]) == 0, "one process reads it"


def test_a_stop_of_one_stops_both_after_the_same_step_and_the_resumed_run_is_equal(folder: Path) -> None:
    for code in codes(folder):
        assert (code["stopped"], code["stopped at"], code["resumed"]) == (143, "step-00000004", 0)
    manifests = []
    for name in ("dropout", "stopped"):
        newest = max((run_of(folder, name) / "checkpoints").glob("step-*"))
        manifests.append((newest.name, json.loads((newest / "manifest.json").read_text())))
    assert manifests[0] == manifests[1]


def test_the_processes_draw_a_dropout_of_their_own(folder: Path) -> None:
    newest = max((run_of(folder, "dropout") / "checkpoints").glob("step-*"))
    first, second = (json.loads((newest / f"random-{rank}.json").read_text()) for rank in (0, 1))
    assert first["torch"] != second["torch"]


def test_where_one_process_sees_a_nan_both_name_its_rows(folder: Path) -> None:
    first, second = codes(folder)
    assert first["poisoned"] == second["poisoned"] == 1
    assert "the loss of step 3 is not finite: the update was not applied" in first["printed"]
    rows = first["printed"].split("the rows were ")[1].split("\n")[0]
    assert rows in second["printed"]
    assert 1 <= rows.count("rows.jsonl:") <= 8, "the rows of the one micro-batch at fault"


@pytest.mark.parametrize(("rows", "world", "accumulation"), [(86, 2, 1), (97, 3, 2), (5, 4, 1), (64, 2, 4)])
def test_every_row_is_in_one_batch_of_one_process(rows: int, world: int, accumulation: int) -> None:
    lengths = np.random.default_rng(0).integers(1, 50, rows)
    plans = [BatchPlan(lengths, 8, accumulation, seed=1, rank=rank, world=world) for rank in range(world)]
    epochs = [plan.epoch(3) for plan in plans]
    assert {len(epoch) for epoch in epochs} == {plans[0].steps_per_epoch}
    for step in zip(*epochs, strict=True):
        assert len({len(micro_batches) for micro_batches in step}) == 1, "all take as many turns"
    seen = np.concatenate([batch for epoch in epochs for step in epoch for batch in step])
    assert np.array_equal(np.sort(seen), np.arange(rows))


@pytest.mark.slow
@pytest.mark.parametrize(
    "launcher", [["torch.distributed.run", "--nproc-per-node", "2"], ["accelerate.commands.launch", "--multi_gpu",
    "--num_processes", "2", "--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no"]]
)  # fmt: skip
def test_torchrun_and_accelerate_launch_work_as_they_are(
    folder: Path, tmp_path: Path, launcher: list[str]
) -> None:
    module, *options = launcher
    command = ["-m", "ftcore", "run", "ddp.yaml", "--runs-dir", str(tmp_path / "runs")]
    done = subprocess.run(
        [sys.executable, "-m", module, *options, *command],
        cwd=folder, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=240,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    (run,) = (tmp_path / "runs").glob("*/*")
    assert events(run, "device")[0]["processes"] == 2
    assert (run / "bundle" / "bundle.json").exists()
    newest = max((run / "checkpoints").glob("step-*"))
    assert newest.name == max((run_of(folder, "ddp") / "checkpoints").glob("step-*")).name


def test_updates_of_low_rank_are_refused_in_slices(project: Path, tiny_base: Path, capsys) -> None:
    spec = tiny_spec(tiny_base, model={"lora": {"rank": 2}}, training={"distributed": "fsdp"})
    YAML().dump(spec, project / "labels.yaml")
    assert main(["train", "labels.yaml"]) == 2
    assert "training.distributed" in capsys.readouterr().err
