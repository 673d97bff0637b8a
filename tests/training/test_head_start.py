"""Heads that start from texts: the nearest one by cosine is the answer, without training."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from small import workspace_of

from ftcore.modeling.pooling import mean_of_tokens
from ftcore.runs.steps import take_steps
from ftcore.runs.techniques import answer_by_names
from ftcore.training.head_start import mean_of_rows
from ftcore.training.stopping import StopRequest


@pytest.fixture
def pooled(tiny_base: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "pooled"
    shutil.copytree(tiny_base, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def test_an_untrained_model_answers_with_the_nearest_label_text(project: Path, pooled: Path) -> None:
    data = {"label_descriptions": {"pos": "good nice", "neg": "bad slow"}}
    workspace = workspace_of(project, pooled, data=data, training={"recipe": "auto"})
    assert workspace.splits
    model = workspace.family.model.build(workspace.base).eval()
    assert answer_by_names(model, workspace.family.model, workspace.base, workspace.encoder)
    texts = [*["bad slow", "good nice"], *workspace.splits["test"].table["text"].to_pylist()]
    encoder = workspace.encoder
    batch = {name: torch.from_numpy(v) for name, v in encoder.collate(encoder.encode(texts)).items()}
    with torch.no_grad():
        hidden = model.bert(**batch).last_hidden_state
        logits = model(**batch).logits
    pooled_states = mean_of_tokens(hidden, batch["attention_mask"])
    cosine = torch.nn.functional.cosine_similarity(pooled_states[:, None], pooled_states[None, :2], dim=2)
    assert torch.equal(logits.argmax(1), cosine.argmax(1))
    assert logits[:2].argmax(1).tolist() == [0, 1]  # neg, pos


def test_a_head_of_the_architectures_own_has_no_label_texts(project: Path, tiny_base: Path) -> None:
    workspace = workspace_of(project, tiny_base, training={"recipe": "auto"})
    assert workspace.splits
    family = workspace.family.model
    assert not answer_by_names(family.build(workspace.base), family, workspace.base, workspace.encoder)


def test_the_zero_shot_figure_of_a_run_is_that_of_the_names(project: Path, pooled: Path) -> None:
    data = {"label_descriptions": {"pos": "good nice", "neg": "bad slow"}}
    workspace = workspace_of(
        project,
        pooled,
        data=data,
        training={"recipe": "auto", "max_steps": 1},
        evaluation={"zero_shot": True},
    )
    take_steps(workspace, ["train", "evaluate"], StopRequest())
    found = json.loads(workspace.folder.metrics_file.read_text())["splits"]["test"]["zero_shot"]
    assert found["metrics"]["accuracy"]["value"] > 0.5
    assert "gain" in found


def test_a_row_of_several_windows_is_the_mean_of_them() -> None:
    values = np.array([[1.0, 2.0], [3.0, 4.0], [7.0, 7.0]], np.float32)
    found = mean_of_rows(values, np.array([0, 0, 1]))
    assert found.tolist() == [[2, 3], [7, 7]]
    assert found.dtype == np.float32
