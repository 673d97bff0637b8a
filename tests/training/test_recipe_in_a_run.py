"""The recipe in whole runs: what is chosen, that the probe is what training starts from, and that a resume is exact."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import labelled_rows
from small import events, kept, trained, workspace_of

from ftcore.errors import ExitCode, Interrupted
from ftcore.evaluation.predict import predict
from ftcore.modeling.pooling import PooledClassifier
from ftcore.runs.steps import evaluate, take_steps
from ftcore.training.stopping import StopRequest

AUTO: dict[str, Any] = {"recipe": "auto", "refit": False}


@pytest.fixture(scope="module")
def pooled_base(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny base, trained (it says) with mean pooling."""
    folder = tmp_path_factory.mktemp("pooled") / "base"
    shutil.copytree(tiny_base, folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": True}))
    return folder


def multi_label(count: int) -> list[dict[str, Any]]:
    """Rows with the label of `labelled_rows`, `rare` in every tenth, and nothing in every seventh."""
    rows: list[dict[str, Any]] = []
    for index, row in enumerate(labelled_rows(count)):
        names = [] if index % 7 == 0 else [row["label"], *(["rare"] if index % 10 == 1 else [])]
        rows.append({"text": row["text"], "label": names})
    return rows


def test_the_choice_is_recorded_and_its_first_evaluation_is_the_probe(
    project: Path, pooled_base: Path
) -> None:
    workspace = trained(project, pooled_base, training=AUTO)
    chosen = events(workspace, "recipe_chosen")[0]
    assert chosen["name"] == "probe"
    assert chosen["fields"]["pooling"] == "mean"
    assert chosen["fields"]["contrast"] == 3
    assert workspace.folder.record()["recipe"]["training"]["head_start"] == "probe"
    first = events(workspace, "evaluated")[0]
    assert first["step"] == 0
    assert first["metrics"]["accuracy"] > 0.9  # a word decides, and the probe sees it
    assert isinstance(workspace.fine_tuned(), PooledClassifier)


def test_without_steps_the_kept_model_is_the_probe(project: Path, pooled_base: Path) -> None:
    data = {"train": labelled_rows(60), "split": {"validation": 8, "test": 8}}
    workspace = trained(project, pooled_base, data=data, training={**AUTO, "epochs": None})
    assert [event["step"] for event in events(workspace, "evaluated")] == [0]
    assert events(workspace, "training_finished")[0]["best_step"] == 0
    features = workspace.features("train")
    logits = predict(workspace.fine_tuned(), workspace.family, features, 16)["logits"]
    assert (logits.argmax(1) == features.column("labels")).mean() > 0.9


def test_several_labels_start_from_the_probe_of_each(project: Path, pooled_base: Path) -> None:
    data = {"train": multi_label(160), "problem": "multi_label"}
    workspace = trained(project, pooled_base, data=data, training={**AUTO, "epochs": 1})
    assert events(workspace, "evaluated")[0]["metrics"]["f1_micro"] > 0.8


def test_thresholds_are_tuned_kept_and_served(project: Path, pooled_base: Path) -> None:
    data = {"train": multi_label(200), "problem": "multi_label"}
    workspace = trained(project, pooled_base, data=data, training=AUTO)
    evaluate(workspace, StopRequest(), False)
    thresholds = json.loads(workspace.folder.family_file.read_text())["thresholds"]
    assert len(thresholds) == 3
    assert thresholds != [0.5, 0.5, 0.5]
    assert workspace.family.scoring.decoder["threshold"] == thresholds
    fixed = workspace_of(project, pooled_base, data=data, evaluation={"threshold": 0.7})
    assert fixed.splits
    assert fixed.family.scoring.decoder["threshold"] == 0.7


def test_a_resumed_run_is_exact_whether_the_probe_was_made_or_not(project: Path, pooled_base: Path) -> None:
    training = {**AUTO, "evaluate_every": 2, "max_steps": 4}
    whole = kept(trained(project, pooled_base, training=training))
    for stop_after in ("recipe_chosen", "evaluated"):
        stop = StopRequest()

        def listen(event: Any, stop: StopRequest = stop, kind: str = stop_after) -> None:
            if event["event"] == kind:
                stop.ask(ExitCode.INTERRUPTED)

        workspace = workspace_of(project, pooled_base, listeners=(listen,), training=training)
        with pytest.raises(Interrupted):
            take_steps(workspace, ["train"], stop)
        again = type(workspace)(workspace.folder, workspace.spec, workspace.task, ())
        take_steps(again, ["train"], StopRequest(), resume=True)
        assert all(torch.equal(value, whole[name]) for name, value in kept(again).items())


@pytest.mark.parametrize(
    "against",
    [
        {"training": {"mixup": 0.4}},
        {"training": {"freeze": {"trunk": True}}},
        {"model": {"pooling": "architecture"}},
        {"training": {"recipe": "plain"}},
    ],
    ids=str,
)
def test_rows_are_not_contrasted_where_that_cannot_be(project: Path, pooled_base: Path, against: Any) -> None:
    sections = {**against, "training": {**AUTO, **against.get("training", {})}}
    workspace = workspace_of(project, pooled_base, **sections)
    assert workspace.splits
    assert not workspace.training.contrast


@pytest.mark.parametrize(
    "techniques",
    [
        {"model": {"lora": {"rank": 2}}},
        {"model": {"keep_layers": 1}},
        {"training": {"freeze": {"trunk": True}}},
        {"training": {"freeze": {"embeddings": True, "layers": 1}}},
        {"training": {"mixup": 0.4}},
        {"training": {"contrast": 3.0, "rdrop": 1.0, "fgm": 0.5}},
        {"training": {"ema": {"decay": 0.9}}},
        {"training": {"average_last": 2}},
    ],
    ids=str,
)
def test_techniques_go_with_the_probe_and_pooling(project: Path, pooled_base: Path, techniques: Any) -> None:
    sections = {**techniques, "training": {**AUTO, "epochs": 1, **techniques.get("training", {})}}
    workspace = trained(project, pooled_base, **sections)
    assert events(workspace, "warning") == []
    assert isinstance(workspace.fine_tuned(), PooledClassifier)


def test_a_pooled_model_is_exported_as_torch_answers_and_teaches(project: Path, pooled_base: Path) -> None:
    teacher = workspace_of(project, pooled_base, training=AUTO)
    take_steps(teacher, ["train", "evaluate", "export"], StopRequest())
    found = json.loads(teacher.folder.export_file.read_text())
    assert found["problems"] == []
    assert all(not one["parity"]["flips"] for one in found["variants"].values())
    student = trained(
        project, pooled_base, model={"distill_from": str(teacher.folder.path)}, training={"epochs": 1}
    )
    taught = np.asarray(student.teacher_outputs()["logits"])
    features = student.features("train")
    assert taught == pytest.approx(
        predict(teacher.fine_tuned(), student.family, features, 16)["logits"], abs=1e-4
    )


def test_a_run_that_goes_on_from_a_tuned_model_keeps_its_head(project: Path, pooled_base: Path) -> None:
    first = trained(project, pooled_base, training=AUTO)
    again = workspace_of(project, first.folder.model, training=AUTO)
    assert again.training.head_learning_rate is None
    assert again.folder.record()["recipe"]["name"] == "plain"
    assert "knows 2 of the labels" in again.folder.record()["recipe"]["why"]
