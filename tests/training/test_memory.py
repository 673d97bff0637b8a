"""Micro-batches: cut as memory allows, with the step and its gradient unchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from small import built, events, kept, trained, training_of, workspace_of
from transformers import BertModel

from ftcore.errors import UserError
from ftcore.training.memory import MicroBatches, recompute_activations, rows_and_accumulation

CPU = torch.device("cpu")


def batch_of(rows: int, width: int) -> dict[str, torch.Tensor]:
    return {"input_ids": torch.arange(rows)[:, None].expand(rows, width), "labels": torch.arange(rows)}


def test_a_batch_is_one_piece_until_memory_runs_out() -> None:
    micro = MicroBatches(training_of(), CPU)
    assert len(micro.cut(batch_of(32, 10_000))) == 1
    assert micro.halve() == 16
    pieces = micro.cut(batch_of(32, 8))
    assert [len(piece["labels"]) for piece in pieces] == [16, 16]
    assert torch.equal(torch.cat([piece["labels"] for piece in pieces]), torch.arange(32))
    assert [len(piece["labels"]) for piece in micro.cut(batch_of(20, 8))] == [10, 10], "of nearly equal size"
    micro.cut(batch_of(32, 8))
    assert micro.halve() == 8


def test_one_row_that_does_not_fit() -> None:
    micro = MicroBatches(training_of(), CPU)
    micro.cut(batch_of(1, 8))
    with pytest.raises(UserError, match="not even one row"):
        micro.halve()


def test_auto_bounds_the_tokens_on_a_cpu_and_starts_whole_elsewhere() -> None:
    training = training_of(batch_size="auto", gradient_accumulation=4)
    assert rows_and_accumulation(training) == (128, 1)
    pieces = MicroBatches(training, CPU).cut(batch_of(128, 256))
    assert all(piece["input_ids"].numel() <= 4096 for piece in pieces)
    assert len(MicroBatches(training, CPU).cut(batch_of(128, 16))) == 1
    assert len(MicroBatches(training, torch.device("cuda")).cut(batch_of(128, 256))) == 1


class _Memory:
    """Holds so many rows at once; more of them run out of memory, in the first layer or in the backward pass."""

    def __init__(self, rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
        whole = BertModel.forward
        self.failed = 0

        def forward(model: BertModel, *args: Any, **inputs: Any) -> Any:
            if model.training and len(inputs.get("input_ids", args[0] if args else None)) > rows:
                self.failed += 1
                raise torch.OutOfMemoryError("CUDA out of memory (pretended)")
            return whole(model, *args, **inputs)

        monkeypatch.setattr(BertModel, "forward", forward)


def test_out_of_memory_halves_the_micro_batch_and_keeps_the_step(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sections: dict[str, Any] = {
        "training": {"max_steps": 4, "gradient_accumulation": 2},
        "model": {"dropout": 0.0},
    }
    roomy = trained(project, tiny_base, **sections)
    memory = _Memory(5, monkeypatch)
    tight = trained(project, tiny_base, **sections)
    assert [event["rows"] for event in events(tight, "micro_batch_halved")] == [8, 4]
    assert memory.failed == 2, "what was learnt holds for later steps"
    assert events(tight, "training_finished")[0]["step"] == events(roomy, "training_finished")[0]["step"] == 4
    theirs = kept(roomy)
    for name, value in kept(tight).items():
        torch.testing.assert_close(value, theirs[name], atol=2e-4, rtol=1e-3)


def test_no_room_for_one_row_is_said_plainly(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _Memory(0, monkeypatch)
    with pytest.raises(UserError, match="not even one row"):
        trained(project, tiny_base)


def test_recomputed_activations_give_the_same_gradients_and_run_layers_twice(
    project: Path, tiny_base: Path
) -> None:
    def run(again: bool) -> tuple[dict[str, torch.Tensor], int]:
        model, batch = built(workspace_of(project, tiny_base))
        if again:
            recompute_activations(model)
        calls: list[int] = []
        model.bert.encoder.layer[0].intermediate.register_forward_hook(lambda *_: calls.append(1))
        model.train()
        torch.manual_seed(3)
        batch.pop("weight")
        model(**batch).loss.backward()
        return {name: p.grad for name, p in model.named_parameters() if p.grad is not None}, len(calls)

    (plain, once), (again, twice) = run(False), run(True)
    assert (once, twice) == (1, 2)
    for name, gradient in plain.items():
        torch.testing.assert_close(again[name], gradient)


def test_what_cannot_recompute_is_told() -> None:
    with pytest.raises(UserError, match="cannot compute its activations again"):
        recompute_activations(torch.nn.Linear(1, 1))
