"""A frozen trunk runs once, and what is looked up is what it would have answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small import built, kept, trained, workspace_of
from transformers import BertModel

from ftcore.runs.cache import cache_dir
from ftcore.runs.workspace import Workspace
from ftcore.training import kept_states
from ftcore.training.frozen_trunk import trunk_runs_once

FROZEN: dict[str, Any] = {"freeze": {"trunk": True}, "learning_rate": 0.05, "epochs": 3}


class _Passes:
    """Counts the rows that go through BERT's layers."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rows = 0
        whole = BertModel.forward

        def forward(model: BertModel, *args: Any, **inputs: Any) -> Any:
            self.rows += len(args[0] if args else inputs["input_ids"])
            return whole(model, *args, **inputs)

        monkeypatch.setattr(BertModel, "forward", forward)


def once(workspace: Workspace, model: torch.nn.Module, **options: Any) -> Any:
    stores = [workspace.features("train")]
    return trunk_runs_once(
        model, workspace.family.model, stores, cache_dir() / "trunk", warn=pytest.fail, **options
    )


def logits(workspace: Workspace, model: torch.nn.Module, rows: slice = slice(0, 48)) -> torch.Tensor:
    batch = workspace.features("train").batch(np.arange(96)[rows])
    with torch.no_grad():
        return workspace.family.model.outputs(model, batch)["logits"]


@pytest.mark.parametrize(("half", "close"), [(False, 1e-6), (True, 2e-3)])
def test_the_head_answers_alike(project: Path, tiny_base: Path, half: bool, close: float) -> None:
    workspace = workspace_of(project, tiny_base)
    model, _ = built(workspace)
    model.eval()
    real = logits(workspace, model)
    with once(workspace, model, half=half):
        torch.testing.assert_close(logits(workspace, model), real, atol=close, rtol=close)
        assert logits(workspace, model).equal(logits(workspace, model))
        in_small_batches = torch.cat([logits(workspace, model, slice(i, i + 1)) for i in range(8)])
        torch.testing.assert_close(in_small_batches, logits(workspace, model, slice(0, 8)))
    assert logits(workspace, model).equal(real), "afterwards the trunk is itself again"


def test_the_trunk_sees_every_row_once_however_many_epochs(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = _Passes(monkeypatch)
    trained(project, tiny_base, training=FROZEN)
    # 96 training and 32 validation rows, 8 of the rehearsal, 12 twice of the check of batch-mates, and 4 twice to find
    # out what the head reads.
    assert passes.rows == 96 + 32 + 8 + 2 * 12 + 2 * 4
    first = passes.rows
    trained(project, tiny_base, training={**FROZEN, "seed": 7})
    assert passes.rows - first == 8 + 2 * 12 + 2 * 4, "another run finds what is on disk"


def test_training_on_what_was_kept_is_training_on_the_trunk(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked_up = kept(trained(project, tiny_base, training=FROZEN))
    monkeypatch.setattr(kept_states.KeptStates, "remember", lambda *_: None)
    passes = _Passes(monkeypatch)
    ran = kept(trained(project, tiny_base, training=FROZEN))
    assert passes.rows > 3 * 96
    for name, value in looked_up.items():
        torch.testing.assert_close(value, ran[name], atol=1e-4, rtol=1e-3)


def test_dropout_of_a_frozen_trunk_is_off(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base, model={"dropout": 0.5})
    model, _ = built(workspace)
    model.dropout.p = 0.0  # the head's
    with once(workspace, model):
        model.train()
        assert logits(workspace, model).equal(logits(workspace, model))
        unknown = {
            name: value.flip(1)
            for name, value in workspace.features("train").batch(np.arange(4)).items()
            if value.ndim > 1
        }
        with torch.no_grad():
            assert model(**unknown).logits.equal(model(**unknown).logits)


def test_other_weights_have_files_of_their_own(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base)
    model, _ = built(workspace)
    model.eval()
    with once(workspace, model):
        before = logits(workspace, model)
    with torch.no_grad():
        model.bert.encoder.layer[0].output.dense.weight.add_(0.1)
    with once(workspace, model):
        assert not logits(workspace, model).equal(before)
    assert len(list((cache_dir() / "trunk").glob("*.npy"))) == 2


def tokens_model() -> torch.nn.Module:
    """A head that reads every token."""
    from transformers import BertConfig, BertForTokenClassification

    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    return BertForTokenClassification(BertConfig(vocab_size=100, **sizes))


class _Outputs:
    """Stands for a family."""

    def __init__(self, outputs: Callable[..., dict[str, torch.Tensor]]) -> None:
        self.outputs = outputs


def test_a_head_that_reads_every_token_gets_every_token(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base)
    store, model = workspace.features("train"), tokens_model().eval()

    def outputs(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        given = model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).logits
        return {"logits": given * batch["attention_mask"][..., None]}

    batch = store.batch(np.arange(8))
    with torch.no_grad():
        real = outputs(model, batch)["logits"]
        with trunk_runs_once(model, _Outputs(outputs), [store], project / "kept", warn=pytest.fail):  # type: ignore[arg-type]
            torch.testing.assert_close(outputs(model, batch)["logits"], real, atol=1e-5, rtol=1e-5)
    (file,) = (project / "kept").iterdir()
    assert np.load(file, mmap_mode="r").shape == (int(store.lengths.sum()), 32)


def test_a_head_that_wants_more_makes_the_trunk_run_and_says_so(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base)
    store, model, warnings = workspace.features("train"), tokens_model().eval(), []

    def outputs(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        given = model(input_ids=batch["input_ids"], output_hidden_states=True)
        hidden = given.hidden_states
        return {"logits": hidden[0] if hidden is not None else given.logits}

    with (
        trunk_runs_once(model, _Outputs(outputs), [store], project / "kept", warn=warnings.append),
        torch.no_grad(),
    ):  # type: ignore[arg-type]
        assert outputs(model, store.batch(np.arange(2)))["logits"].shape[-1] == 32
    assert "reads more than hidden states" in warnings[0]
    assert not (project / "kept").exists()


def test_a_full_disk_is_a_warning(project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from types import SimpleNamespace

    workspace = workspace_of(project, tiny_base)
    model, _ = built(workspace)
    model.eval()
    real, warnings = logits(workspace, model), []
    monkeypatch.setattr(kept_states.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))
    with trunk_runs_once(
        model, workspace.family.model, [workspace.features("train")], project / "kept", warn=warnings.append
    ):
        torch.testing.assert_close(logits(workspace, model), real)
    assert "cannot be kept" in warnings[0]
