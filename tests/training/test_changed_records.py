"""A run whose spec was edited, or whose record is broken, is refused by every command that would go on with it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small import events, trained, workspace_of

from ftcore.cli import main
from ftcore.runs.folder import RunFolder
from ftcore.training.checkpoint import CheckpointStore
from ftcore_runtime.files import sha256


@pytest.mark.parametrize("command", ["resume", "evaluate", "export"])
def test_an_edited_spec_is_refused(
    tmp_path: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    folder = workspace_of(tmp_path, tiny_base).folder
    text = folder.spec_file.read_text()
    folder.spec_file.write_text(text.replace('"learning_rate": 0.005', '"learning_rate": 0.5'))
    assert text != folder.spec_file.read_text()
    assert main([command, str(folder.path)]) == 2
    error = capsys.readouterr().err
    assert f"{folder.spec_file}: it was changed since the run began" in error
    assert "help: bring it back as it was" in error


def test_checkpoints_of_another_spec_are_refused(tmp_path: Path, tiny_base: Path) -> None:
    from ftcore.errors import UserError

    workspace = trained(tmp_path, tiny_base, training={"epochs": 1})
    own = sha256(workspace.folder.spec_file)
    assert CheckpointStore(workspace.folder.checkpoints, pytest.fail, own).newest() is not None
    with pytest.raises(UserError, match="trained with another spec"):
        CheckpointStore(workspace.folder.checkpoints, pytest.fail, "0" * 64).newest()


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe", b"[" * 100_000])
def test_a_record_that_cannot_be_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes
) -> None:
    run = tmp_path / "runs" / "x" / "1"
    run.mkdir(parents=True)
    (run / "run.json").write_bytes(content)
    assert main(["resume", str(run)]) == 2
    error = capsys.readouterr().err
    assert "run.json cannot be read" in error
    assert "Traceback" not in error


@pytest.mark.parametrize("weighed_by", ["rows", "classes"])
def test_steps_whose_rows_weigh_nothing_change_nothing(
    tmp_path: Path, tiny_base: Path, weighed_by: str
) -> None:
    from models import labelled_rows

    training: dict[str, Any] = {"batch_size": 1, "max_steps": 12}
    # One row of many has a weight, or there would be nothing to learn; the first steps do not meet it.
    rows: list[dict[str, Any]] = [{**row, "w": 0} for row in labelled_rows(160)]
    columns = {"text": "text", "label": "label"}
    if weighed_by == "classes":
        rows.append({"text": "a rare row", "label": "rare"})
        training["class_weights"] = {"neg": 0.0, "pos": 0.0}
    else:
        rows[-1]["w"] = 1
        columns["weight"] = "w"
    data: dict[str, Any] = {"train": rows, "columns": columns}
    workspace = trained(tmp_path, tiny_base, training=training, data=data)
    losses = [event["loss"] for event in events(workspace, "step")]
    assert set(losses) == {0.0}
    import torch

    torch.manual_seed(0)
    base = workspace.family.model.build(workspace.base).state_dict()
    for name, weight in workspace.fine_tuned().state_dict().items():
        if name.startswith("bert."):
            assert torch.equal(weight.cpu(), base[name]), name


def test_the_record_has_the_hash_of_the_spec(tmp_path: Path, tiny_base: Path) -> None:
    folder = RunFolder(workspace_of(tmp_path, tiny_base).folder.path)
    assert json.loads(folder.record_file.read_text())["spec_sha256"] == sha256(folder.spec_file)
