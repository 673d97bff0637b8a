"""One device for all of a run: whatever predicts does so on it."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from small import trained, workspace_of

import ftcore
from ftcore import processes
from ftcore.errors import UserError
from ftcore.evaluation.predict import predict
from ftcore.families.sequence_classification.model import LabelModel
from ftcore.families.text_generation import parity
from ftcore.modeling import device
from ftcore.training.stopping import StopRequest

#: May ask torch for a GPU: what is not about where models run, but what the machine can do.
ASK = {
    "modeling/device.py",
    "modeling/low_bits.py",
    "training/precision.py",
    "training/random_state.py",
    "processes.py",
}


def test_a_batch_goes_where_the_model_is(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base)
    assert workspace.splits  # the family learns its labels from them
    seen: set[str] = set()

    def outputs(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen.update(value.device.type for value in batch.values())
        return {"logits": torch.zeros(len(batch["input_ids"]), 2)}

    family: Any = SimpleNamespace(model=SimpleNamespace(outputs=outputs), scoring=workspace.family.scoring)
    found = predict(torch.nn.Linear(1, 1, device="meta"), family, workspace.features("test"), 8)
    assert seen == {"meta"}
    assert found["logits"].shape == (len(workspace.features("test")), 2)


def test_every_step_of_a_run_predicts_on_the_device(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A device that only takes down what is moved to it; all who predict must have moved their model there."""
    fake = torch.device("meta")
    there: dict[int, torch.nn.Module] = {}
    predicted: list[str] = []
    to, outputs = torch.nn.Module.to, LabelModel.outputs

    def moved(self: torch.nn.Module, *where: Any, **named: Any) -> torch.nn.Module:
        if where == (fake,):
            there[id(self)] = self
            return self
        if where == ("cpu",):
            there.pop(id(self), None)
        return to(self, *where, **named)

    def responded(self: Any, model: torch.nn.Module, batch: Any) -> Any:
        assert id(model) in there, "a model that predicts is not on the device"
        predicted.append(step[0])
        return outputs(self, model, batch)

    teacher = trained(project, tiny_base, training={"max_steps": 1}).folder.path
    for name in list(_consumers()):
        monkeypatch.setattr(f"{name}.torch_device", lambda: fake)
    monkeypatch.setattr("ftcore.training.device.torch_device", lambda: torch.device("cpu"))
    monkeypatch.setattr(torch.nn.Module, "to", moved)
    monkeypatch.setattr(LabelModel, "outputs", responded)
    step = [""]
    workspace = workspace_of(
        project,
        tiny_base,
        model={"distill_from": str(teacher)},
        training={"max_steps": 1, "freeze": {"layers": 1}},
        evaluation={"zero_shot": True},
        export={"variants": ["fp32"], "prune_vocab": {}},
    )
    from ftcore.runs import steps

    for step[0], act in (("train", steps.train), ("evaluate", steps.evaluate), ("export", steps.export)):
        act(workspace, StopRequest(), False)
    assert set(predicted) == {"train", "evaluate", "export"}


def test_nobody_else_asks_for_a_gpu() -> None:
    root = Path(ftcore.__file__).parent
    asking = {
        str(file.relative_to(root))
        for file in root.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Attribute) and node.attr == "is_available"
    }
    assert asking <= ASK, "use torch_device()"


def test_the_device_is_the_gpu_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for there, kind in ((True, "cuda"), (False, "cpu")):
        monkeypatch.setattr(torch.cuda, "is_available", lambda there=there: there)
        assert device.torch_device().type == kind


def test_rows_go_to_a_gpu_from_page_locked_memory() -> None:
    """Any other copy waits for all that the GPU has to do. What is there already is not copied to the CPU first."""
    asked: list[tuple[str, Any]] = []

    class Fake:
        def __init__(self, where: str) -> None:
            self.device = torch.device(where)

        def pin_memory(self) -> Fake:
            asked.append(("pinned", None))
            return self

        def to(self, device: torch.device, *, non_blocking: bool = False) -> Fake:
            asked.append((device.type, non_blocking))
            return self

    batch: Any = {"input_ids": Fake("cpu"), "labels": Fake("cuda")}
    device.to_device(batch, torch.device("cuda"))
    assert asked == [("pinned", None), ("cuda", True), ("cuda", True)]


def test_the_gpu_check_says_that_there_is_no_gpu() -> None:
    script = Path(__file__).parents[2] / "benchmarks" / "gpu_check.py"
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    ended = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, check=False, env=environment
    )
    assert ended.returncode == 2
    assert ended.stderr.startswith("error: there is no GPU here")


def _consumers() -> set[str]:
    """The modules that name the function."""
    root = Path(ftcore.__file__).parent
    files = (file for file in root.rglob("*.py") if "import torch_device" in file.read_text())
    return {"ftcore." + ".".join(file.relative_to(root).with_suffix("").parts) for file in files}


def test_a_gpu_too_few_is_said_before_the_processes_wait_for_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(UserError, match="2 processes were started here, and there is room for 1"):
        processes.meet()


def test_what_is_written_is_compared_where_the_model_is() -> None:
    """The reference of the export may be on a GPU, the rows never are."""
    seen: set[str] = set()

    def outputs(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        seen.update(value.device.type for value in batch.values())
        return {"logits": torch.zeros(1, 3, 5)}

    ids = np.zeros((1, 3), np.int64)
    family: Any = SimpleNamespace(
        outputs=outputs,
        learnt=lambda batch: torch.ones(1, 3, dtype=torch.bool),
        forced=lambda batch: ({"input_ids": ids}, np.ones((1, 3), np.int64)),
    )
    features: Any = type(
        "Stored", (), {"__len__": lambda _: 1, "batch": lambda *_: {"input_ids": torch.zeros(1, 3)}}
    )()
    logits = SimpleNamespace(logits=lambda inputs, tokens: np.full((1, 3, 5), 0.25, np.float32))
    generator: Any = SimpleNamespace(model=lambda: logits)
    model = torch.nn.Linear(1, 1, device="meta")
    assert parity._largest_difference(family, model, generator, features) == 0.25
    assert seen == {"meta"}


def test_attention_needs_no_plan_for_each_shape_of_a_batch() -> None:
    assert not torch.backends.cuda.cudnn_sdp_enabled()
    assert torch.backends.cuda.flash_sdp_enabled()
    assert torch.backends.cuda.mem_efficient_sdp_enabled()
