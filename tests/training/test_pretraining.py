"""`training.pretrain`: what becomes of the base model that reads texts first, and that a stop changes nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from bundles import WORDS, sentences
from models import save_tiny_bert
from safetensors.torch import load_file
from small import events, kept, workspace_of
from transformers import PreTrainedTokenizerFast

from ftcore.cli import main
from ftcore.data.masking import MaskedFeatures, mask_id, special_ids
from ftcore.errors import UserError
from ftcore.families.model import IGNORED
from ftcore.runs.steps import take_steps
from ftcore.runs.workspace import Workspace
from ftcore.training.stopping import StopRequest


class KilledError(BaseException):
    """What nobody catches: the process is gone."""


@pytest.fixture
def base(tmp_path: Path) -> Path:
    """A tiny BERT that was trained with mean pooling, with a mask token."""
    folder = save_tiny_bert(tmp_path / "masked", room=1)
    tokenizer = PreTrainedTokenizerFast.from_pretrained(folder)
    tokenizer.add_special_tokens({"mask_token": "[MASK]"})
    tokenizer.save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    return folder


@pytest.fixture
def pool(project: Path) -> Path:
    path = project / "pool.csv"
    path.write_text("text\n" + "".join(f"{text}\n" for text in sentences(64, 9)))
    return path


PRETRAIN = {"on": "pool.csv", "epochs": 3, "learning_rate": 3e-3, "batch_size": 16}
TRAINING = {"pretrain": PRETRAIN, "recipe": "plain", "epochs": 1, "freeze": {"trunk": True}}


def test_the_base_model_of_the_run_is_the_one_that_read_the_texts(
    project: Path, base: Path, pool: Path
) -> None:
    workspace = workspace_of(project, base, training=TRAINING)
    take_steps(workspace, ["train", "evaluate"], StopRequest())
    losses = [event["loss"] for event in events(workspace, "step") if event.get("phase") == "pretraining"]
    assert len(losses) == 2, "of 12 steps the 10th and the last one"
    assert losses[-1] < 0.95 * np.log(len(WORDS) + 56)
    before, after = (
        load_file(folder / "model.safetensors") for folder in (base, workspace.folder.pretrained)
    )
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert "encoder.layer.1.output.dense.weight" in changed
    assert not any("pooler" in name for name in changed), "it reads nothing that was trained"
    weights = {name.removeprefix("bert."): value for name, value in kept(workspace).items()}
    trunk = [name for name in after if "pooler" not in name]  # which is a part of the head
    assert all(torch.equal(after[name], weights[name]) for name in trunk)
    pooling = json.loads((workspace.folder.pretrained / "1_Pooling" / "config.json").read_text())
    assert pooling["pooling_mode_mean_tokens"] is True
    assert not workspace.folder.path.joinpath("pretraining").exists()


def test_a_killed_run_goes_on_to_the_same_weights(project: Path, base: Path, pool: Path) -> None:
    training = {**TRAINING, "pretrain": {**PRETRAIN, "epochs": 2}}
    whole = workspace_of(project, base, training=training)
    take_steps(whole, ["train"], StopRequest())
    workspace = workspace_of(project, base, training=training)

    def listen(event: Any) -> None:
        if (event["event"], event.get("phase")) == ("checkpoint_saved", "pretraining"):
            raise KilledError

    workspace.events._listeners = (listen,)
    with pytest.raises(KilledError):
        take_steps(workspace, ["train"], StopRequest())
    again = Workspace(workspace.folder, workspace.spec, workspace.task, ())
    take_steps(again, ["train"], StopRequest(), resume=True)
    assert next(event["step"] for event in events(again, "resumed")) == 4
    files = [run.folder.pretrained / "model.safetensors" for run in (whole, again)]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert all(torch.equal(value, kept(whole)[name]) for name, value in kept(again).items())

    pool.write_text("text\nother\n")
    late = Workspace(workspace.folder, workspace.spec, workspace.task, ())
    with pytest.raises(UserError, match=r"the texts of `training\.pretrain` have changed"):
        take_steps(late, ["train"], StopRequest(), resume=True)


def test_tokens_are_hidden_anew_each_epoch_and_alike_in_any_batch(
    project: Path, base: Path, pool: Path
) -> None:
    workspace = workspace_of(project, base)
    store, mask = workspace.features("train"), mask_id(workspace.encoder)
    assert mask is not None
    features = MaskedFeatures(store, mask, 0.3, seed=1)
    every = np.arange(len(store))
    plain, found = store.batch(every)["input_ids"], features.batch(every, epoch=2)
    hidden = found["labels"] != IGNORED
    assert torch.equal(found["labels"][hidden], plain[hidden])
    assert torch.equal(found["input_ids"][~hidden], plain[~hidden])
    ordinary = ~torch.isin(plain, torch.from_numpy(special_ids(workspace.encoder)))
    assert not hidden[~ordinary].any()
    epochs = [features.batch(every, epoch) for epoch in range(20)]
    ids = torch.cat([one["input_ids"][one["labels"] != IGNORED] for one in epochs])
    were = torch.cat([one["labels"][one["labels"] != IGNORED] for one in epochs])
    assert len(ids) / (20 * ordinary.sum()) == pytest.approx(0.3, abs=0.02)
    assert (ids == mask).float().mean() == pytest.approx(0.8, abs=0.02)
    assert (ids == were).float().mean() == pytest.approx(0.1, abs=0.02)
    alone = features.batch(np.array([5]), epoch=2)
    assert torch.equal(alone["labels"][0], found["labels"][5][: alone["labels"].shape[1]])
    assert not torch.equal(features.batch(every, epoch=3)["labels"], found["labels"])


@pytest.mark.parametrize(
    ("content", "section", "what"),
    [
        ("body\nx\n", "{on: pool.csv}", "pool.csv:2: there is no column 'text'; the columns are 'body'"),
        ("text\nx\n \n", "{on: pool.csv}", "pool.csv:3: has no text"),
        ("text\n", "{on: pool.csv}", "pool.csv: holds no texts"),
        ("text\nx\n", "{on: none.csv}", "training.pretrain.on: no such file or folder"),
    ],
)
def test_texts_that_are_not_there_are_told_of(
    project: Path, base: Path, capsys: pytest.CaptureFixture[str], content: str, section: str, what: str
) -> None:
    (project / "pool.csv").write_text(content)
    rows = "[{text: good food, label: a}, {text: bad food, label: b}, {text: nice, label: a}, {text: slow, label: b}]"
    split = "split: {validation: 1, test: 1, stratify: false}"
    (project / "spec.yaml").write_text(
        f"task: classification\ndata: {{train: {rows}, {split}}}\nmodel: {{base: {base}, max_length: 16}}\n"
        f"training: {{pretrain: {section}}}\n"
    )
    assert main(["run", "spec.yaml"]) == 2
    assert what in capsys.readouterr().err


def test_a_base_without_a_mask_and_a_model_that_writes_are_refused(
    project: Path, tiny_base: Path, pool: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    workspace = workspace_of(project, tiny_base, training=TRAINING)
    with pytest.raises(UserError, match="tokenizer has no mask token"):
        take_steps(workspace, ["train"], StopRequest())
    (project / "spec.yaml").write_text(
        "task: translation\ndata: {train: [{source: a, target: b}]}\nmodel: {base: base}\n"
        "training: {pretrain: {on: pool.csv}}\n"
    )
    assert main(["validate", "spec.yaml"]) == 2
    assert "`pretrain` needs an encoder, and this task's models write" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("training", "data", "children"),
    [({"seeds": [1, 2]}, {}, "seeds"), ({}, {"cross_validation": 2}, "folds")],
    ids=["seeds", "folds"],
)
def test_runs_inside_a_run_share_what_read_the_texts(
    project: Path, base: Path, pool: Path, training: Any, data: Any, children: str
) -> None:
    workspace = workspace_of(project, base, training={**TRAINING, **training}, data=data)
    take_steps(workspace, ["train"], StopRequest())
    started = [event["event"] for event in events(workspace, "training_started") if "phase" in event]
    assert len(started) == 1
    after = load_file(workspace.folder.pretrained / "model.safetensors")
    name = "encoder.layer.1.output.dense.weight"
    for child in ("1", "2"):
        weights = load_file(workspace.folder.path / children / child / "model" / "model.safetensors")
        assert torch.equal(weights[f"bert.{name}"], after[name])
    assert not list(workspace.folder.path.glob(f"{children}/*/pretraining"))
