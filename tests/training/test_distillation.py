"""A teacher's outputs next to the labels: what they change, whom they are taken from, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from models import labelled_rows, save_tiny_bert, tiny_spec
from ruamel.yaml import YAML
from small import events, kept, trained, workspace_of
from stopping import stop_within

from ftcore.cli import main
from ftcore.errors import UserError
from ftcore.evaluation.predict import predict
from ftcore.families import losses
from ftcore.runs import teacher as teachers


@pytest.fixture(scope="module")
def teacher_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a larger model, with labels in another order than the student's; read only."""
    folder = tmp_path_factory.mktemp("teacher")
    base = save_tiny_bert(folder / "base", num_hidden_layers=3, initializer_range=0.2)
    YAML().dump(tiny_spec(base, data={"labels": ["pos", "neg"]}), folder / "teacher.yaml")
    assert main(["run", str(folder / "teacher.yaml"), "--runs-dir", str(folder / "runs")]) == 0
    (run,) = (folder / "runs").glob("*/*")
    return run


def taught(teacher: Path | str, weight: float = 0.9, **sections: Any) -> dict[str, Any]:
    training = {"distillation": {"temperature": 2.0, "weight": weight}, **sections.pop("training", {})}
    return {"model": {"distill_from": str(teacher)}, "training": training, **sections}


def distance(workspace: Any, teacher: Path) -> float:
    """Mean squared difference of student's and teacher's log-probabilities on the test rows."""
    opened = teachers.open_teacher(str(teacher), Path(), workspace.family)
    store = workspace.features("test")
    student, theirs = (
        torch.from_numpy(predict(model, workspace.family, store, 32)["logits"]).log_softmax(-1)
        for model in (workspace.fine_tuned(), opened.build(workspace.family))
    )
    return float((student - theirs).square().mean())


def test_a_taught_student_is_closer_to_its_teacher(project: Path, tiny_base: Path, teacher_run: Path) -> None:
    training = {"max_steps": 60, "evaluate_every": 60}  # the last weights are kept, not the first that do
    alone = trained(project, tiny_base, training=training)
    student = trained(project, tiny_base, **taught(teacher_run, training=training))
    assert distance(student, teacher_run) < 0.5 * distance(alone, teacher_run)


def test_the_teachers_labels_are_found_by_name(project: Path, tiny_base: Path, teacher_run: Path) -> None:
    """The student's labels are neg, pos and the teacher's pos, neg: it answers in the student's order."""
    workspace = workspace_of(project, tiny_base, **taught(teacher_run))
    assert workspace.splits
    asked = workspace.teacher_outputs()["logits"]
    right = workspace.features("train").column("labels")
    assert (asked.argmax(1) == right).mean() > 0.9
    teacher = json.loads((teacher_run / "model" / "config.json").read_text())
    assert teacher["id2label"] == {"0": "pos", "1": "neg"}


def test_it_is_asked_once(
    project: Path, tiny_base: Path, teacher_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = workspace_of(project, tiny_base, **taught(teacher_run)).teacher_outputs()
    monkeypatch.setattr(teachers, "predict", None)  # who asked again would fail
    again = workspace_of(project, tiny_base, **taught(teacher_run, weight=0.2)).teacher_outputs()
    assert isinstance(again["logits"], np.memmap)
    np.testing.assert_array_equal(first["logits"], again["logits"])


def test_a_folder_of_a_model_is_a_teacher_too(project: Path, tiny_base: Path, teacher_run: Path) -> None:
    shutil.copytree(teacher_run / "model", project / "mentor")
    by_run = kept(trained(project, tiny_base, **taught(teacher_run, training={"max_steps": 2})))
    by_name = kept(trained(project, tiny_base, **taught("./mentor", training={"max_steps": 2})))
    assert all(torch.equal(value, by_name[name]) for name, value in by_run.items())


@pytest.mark.usefixtures("unexported")
def test_a_stopped_run_goes_on_with_the_same_answers(
    project: Path, tiny_base: Path, teacher_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    training = {"rdrop": 1.0, "checkpoint_every": 3}
    YAML().dump(tiny_spec(tiny_base, **taught(teacher_run, training=training)), project / "small.yaml")

    def run(name: str) -> tuple[int, Path]:
        code = main(["train", "small.yaml", "--runs-dir", name])
        (folder,) = (project / name).glob("*/*")
        return code, folder

    def weights(folder: Path) -> Any:
        return json.loads((folder / "run.json").read_text())["weights"]

    code, whole = run("whole")
    assert code == 0
    with monkeypatch.context() as patch:
        stop_within(patch, 5)
        code, folder = run("stopped")
    assert code == 143
    with monkeypatch.context() as patch:
        patch.setattr(teachers, "predict", None)
        assert main(["resume", str(folder)]) == 0
    assert weights(folder) == weights(whole)


def test_a_run_does_not_go_on_with_another_teacher(
    project: Path, tiny_base: Path, teacher_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(teacher_run / "model", project / "mentor")
    run = trained(project, tiny_base, **taught("./mentor", training={"max_steps": 2}))
    config = project / "mentor" / "config.json"
    config.write_text(config.read_text() + "\n")
    fresh = type(run)(run.folder, run.spec, run.task, ())
    with pytest.raises(UserError, match="the teacher has changed"):
        fresh.record_inputs()


def test_one_command_ends_with_the_ladder(
    project: Path, tiny_base: Path, teacher_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sections = taught(teacher_run)
    sections["model"]["keep_intermediate"] = 48  # of 64
    YAML().dump(tiny_spec(tiny_base, **sections), project / "small.yaml")
    assert main(["run", "small.yaml"]) == 0
    (folder,) = project.glob("runs/*/*")
    assert json.loads((folder / "model" / "config.json").read_text())["intermediate_size"] == 48
    ladder = json.loads((folder / "export.json").read_text())["ladder"]
    assert [(rung["model"], rung["variant"]) for rung in ladder] == [
        ("teacher", "fp32"),
        ("student", "fp32"),
        ("student", "int8"),
    ]
    sizes = [rung["bytes"] for rung in ladder]
    assert sizes == sorted(sizes, reverse=True)
    assert all(rung["speed"]["p50_ms"] > 0 for rung in ladder)
    assert all("low" in rung["test"]["metrics"]["accuracy"] for rung in ladder)
    own = json.loads((teacher_run / "metrics.json").read_text())["splits"]["test"]["metrics"]["accuracy"]
    assert ladder[0]["test"]["metrics"]["accuracy"]["value"] == own["value"], "the same rows, the same model"
    out = capsys.readouterr().out
    assert "teacher: asked once about 96 training rows" in out
    table = out[out.index("teacher and student") :].splitlines()
    assert [line.split()[:2] for line in table[2:5]] == [
        ["teacher", "fp32"],
        ["student", "fp32"],
        ["student", "int8"],
    ]
    assert "It learnt from a teacher" in (folder / "bundle" / "README.md").read_text()


def refusal(project: Path, base: Path, capsys: pytest.CaptureFixture[str], **sections: Any) -> str:
    YAML().dump(tiny_spec(base, **sections), project / "small.yaml")
    assert main(["train", "small.yaml"]) == 2
    return capsys.readouterr().err


def test_other_labels_are_refused_by_name(
    project: Path, tiny_base: Path, teacher_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [{**row, "label": row["label"].replace("neg", "bad")} for row in labelled_rows(160)]
    message = refusal(project, tiny_base, capsys, **taught(teacher_run, data={"train": rows}))
    assert "model.distill_from: the teacher's labels are not those of the data" in message
    assert "it lacks 'bad'; it has as well 'neg'" in message


def test_what_is_no_teacher_is_refused(
    project: Path, tiny_base: Path, teacher_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = shutil.copytree(tiny_base, project / "bare")
    config = json.loads((bare / "config.json").read_text())
    (bare / "config.json").write_text(json.dumps({**config, "id2label": {"0": "neg", "1": "pos"}}))
    message = refusal(project, tiny_base, capsys, **taught("./bare"))
    assert "the teacher is a BertModel, not a BertForSequenceClassification" in message
    assert "no such file or folder: `./nowhere`" in refusal(project, tiny_base, capsys, **taught("./nowhere"))
    shutil.copytree(teacher_run, project / "half", ignore=shutil.ignore_patterns("model"))
    assert "its run has no model yet" in refusal(project, tiny_base, capsys, **taught("./half"))


def test_a_folder_of_runs_is_the_newest_that_has_a_model(
    project: Path, tiny_base: Path, teacher_run: Path
) -> None:
    runs = project / "runs" / "large"
    for name in ("20260101T000000-aaaaaaaa", "20260102T000000-bbbbbbbb"):
        shutil.copytree(teacher_run, runs / name, ignore=shutil.ignore_patterns("checkpoints", "bundle"))
    unfinished = shutil.ignore_patterns("model", "checkpoints", "bundle")
    shutil.copytree(teacher_run, runs / "20260103T000000-cccccccc", ignore=unfinished)
    student = tiny_spec(tiny_base, **taught("./runs/large", training={"max_steps": 2}))
    YAML().dump(student, project / "small.yaml")
    assert main(["train", "small.yaml"]) == 0
    (folder,) = project.glob("runs/small/*")
    named = json.loads((folder / "spec.resolved.json").read_text())["model"]["distill_from"]
    assert named == "runs/large/20260102T000000-bbbbbbbb", "one run, which stays the teacher when others come"


@pytest.mark.parametrize(
    ("ref", "what", "hint"),
    [
        ("./nowhere", "no such file or folder: `./nowhere`", "paths are relative to"),
        (
            "nowhere",
            "`nowhere` is no folder next to the spec, and no Hub id (`owner/name`)",
            "write ./folder",
        ),
        ("./half", "its run has no model yet", "finish it with `ftcore resume half`"),
        ("./halves", "no run in it has a model yet", "finish one with `ftcore resume halves/half`"),
        ("./questions", "its run is one of the family span_extraction, not of sequence_classification", ""),
        ("./empty", "no config.json in the base model's folder", "name a Hugging Face folder"),
        ("./cut", "model.safetensors does not load", "copy or download it again"),
    ],
)
def test_validate_looks_into_the_teacher(
    project: Path,
    tiny_base: Path,
    teacher_run: Path,
    ref: str,
    what: str,
    hint: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    without_model = shutil.ignore_patterns("model", "checkpoints", "bundle")
    for name in ("half", "halves/half", "questions"):
        shutil.copytree(teacher_run, project / name, ignore=without_model)
    record = json.loads((teacher_run / "run.json").read_text())
    (project / "questions" / "run.json").write_text(json.dumps({**record, "family": "span_extraction"}))
    (project / "empty").mkdir()
    shutil.copytree(teacher_run / "model", project / "cut")
    (project / "cut" / "model.safetensors").write_bytes(b"\x10\0\0\0\0\0\0\0{")
    YAML().dump(tiny_spec(tiny_base, **taught(ref)), project / "small.yaml")
    assert main(["validate", "small.yaml"]) == 2
    printed = capsys.readouterr().err.replace(f"{project}/", "")
    where, _, rest = printed.partition(": error[")
    assert re.fullmatch(r"small\.yaml:\d+:\d+", where)
    assert what in rest
    assert hint in rest
    assert f"distill_from: {ref}" in rest, "it shows the line"


def test_soft_targets_of_one_temperature() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(2, 4, 3)
    expected = 4.0 * torch.nn.functional.kl_div(
        (student / 2).log_softmax(-1), (teacher / 2).softmax(-1), reduction="none"
    ).sum(-1)
    torch.testing.assert_close(losses.distillation_kl(student, teacher, 2.0), expected)
    assert losses.distillation_kl(teacher, teacher, 2.0).abs().max() < 1e-6
    pairs = [torch.stack([torch.zeros(4), values]) for values in (student[:, 0], teacher[:, 0])]
    two = losses.distillation_kl(pairs[0].T, pairs[1].T, 3.0)  # a yes or no is a choice of two
    one = losses.distillation_bernoulli_kl(student[:, :1], teacher[:, :1], 3.0)
    torch.testing.assert_close(one, two)


def test_padding_of_the_teacher_counts_nothing() -> None:
    student, teacher = torch.randn(2, 3, 5)
    teacher[:, 3:], student[:, 3:] = -torch.inf, -1e9
    rows = losses.distillation_kl(student, teacher, 2.0)
    torch.testing.assert_close(rows, losses.distillation_kl(student[:, :3], teacher[:, :3], 2.0))


def test_a_student_learns_from_copies_that_the_teacher_answers(
    project: Path, tiny_base: Path, teacher_run: Path
) -> None:
    """Copies follow the rows, are the same each time, and what the teacher says of them is not what labels say."""
    copies = {"distillation": {"weight": 1.0, "copies": 3}, "max_steps": 30, "recipe": "plain"}
    workspace = trained(project, tiny_base, **taught(teacher_run) | {"training": copies})
    inputs = workspace.training_inputs
    rows, made = inputs.splits.train, inputs.rows_to_train_on(inputs.splits.train)
    count = rows.table.num_rows
    assert made.table.num_rows == 4 * count
    assert made.table.slice(0, count).equals(rows.table)
    assert made.locations[count].as_py() == f"{rows.locations[0].as_py()} (copy 1)"
    texts = made.table["text"].to_pylist()
    assert sum(text == copy for text, copy in zip(texts[:count], texts[count:], strict=False)) < count / 2
    assert inputs.rows_to_train_on(inputs.splits.train).table.equals(made.table)
    assert [event["rows"] for event in events(workspace, "teacher_asked")] == [4 * count]


@pytest.mark.parametrize(
    ("distillation", "says"),
    [
        ({"copies": 3}, "what `copies` makes has no labels but the teacher's: give `weight: 1`"),
        ({"copies": 101, "weight": 1.0}, "expected a number of at most 100"),
        (
            {"copies": 100, "weight": 1.0},
            "training.distillation.copies: makes 9,696 rows of 96, more than 1,000",
        ),
    ],
)
def test_copies_that_cannot_be_made(
    project: Path,
    tiny_base: Path,
    teacher_run: Path,
    distillation: dict[str, Any],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("ftcore.data.copies._MOST", 1000)
    spec = tiny_spec(tiny_base, **taught(teacher_run) | {"training": {"distillation": distillation}})
    YAML().dump(spec, project / "student.yaml")
    assert main(["validate", str(project / "student.yaml")]) == 2
    assert says in capsys.readouterr().err


def test_the_shipped_student_learns_from_the_run_of_the_shipped_task(
    tmp_path: Path, teacher_run: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shipped = Path(__file__).parents[2] / "tasks" / "student.yaml"
    (tmp_path / "tasks").mkdir()
    spec = shutil.copy(shipped, tmp_path / "tasks")
    assert main(["validate", "--no-data", str(spec)]) == 2
    assert "no such file or folder: `../runs/sentiment`" in capsys.readouterr().err
    shutil.copytree(teacher_run.parent, tmp_path / "runs" / "sentiment")
    assert main(["validate", "--no-data", str(spec)]) == 0
