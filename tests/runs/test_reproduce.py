"""A run made again from its record is equal, or it is said what differs."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graph_cache import working_in
from models import labelled_rows, tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.runs import folder, reproduction


@pytest.fixture(scope="module")
def made(tiny_base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a trained and evaluated run, in precision `auto`, and of nothing else."""
    folder = tmp_path_factory.mktemp("reproduce") / "project"
    folder.mkdir()
    (folder / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled_rows(160)))
    spec = tiny_spec(tiny_base, data={"train": "rows.jsonl"}, training={"max_steps": 6, "precision": "auto"})
    YAML().dump(spec, folder / "labels.yaml")
    with working_in(folder):
        assert main(["train", "labels.yaml"]) == 0
        (record,) = folder.glob("runs/*/*/run.json")
        assert main(["evaluate", str(record.parent)]) == 0
    return folder


@pytest.fixture
def project(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """That folder to work in: its run knows it by name, so what a test changes is put back after it."""
    shutil.copytree(made, tmp_path / "before", symlinks=True)
    monkeypatch.chdir(made)
    monkeypatch.setenv("FTCORE_CACHE", str(made / ".cache"))
    yield made
    shutil.rmtree(made)
    shutil.move(tmp_path / "before", made)


@pytest.fixture
def run(project: Path) -> Path:
    """The run."""
    (record,) = project.glob("runs/*/*/run.json")
    return record.parent


def report(project: Path) -> dict[str, Any]:
    (file,) = project.glob("again/*/*/reproduction.json")
    return json.loads(file.read_text())


def reproduce(run: Path, *options: str) -> int:
    return main(["reproduce", str(run), "--runs-dir", "again", *options])


def edit(file: Path, **fields: Any) -> None:
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def test_the_same_run_again_is_equal_to_the_last_bit(run: Path, project: Path, capsys) -> None:
    import torch

    digest = run.name.partition("-")[2]
    run = run.rename(run.with_name("kept"))  # a folder may be called anything
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(threads + 1)
        assert reproduce(run) == 0
    finally:
        torch.set_num_threads(threads)
    assert "the same to the last bit" in capsys.readouterr().out
    assert [found.name.partition("-")[2] for found in project.glob("again/*/*")] == [digest]
    assert report(project) == {"reproduces": str(run), "equal": True, "differences": []}
    (again,) = project.glob("again/*/*")
    weights = [(folder / "model" / "model.safetensors").read_bytes() for folder in (run, again)]
    assert weights[0] == weights[1]


def test_changed_data_are_named_and_nothing_is_trained(run: Path, project: Path, capsys) -> None:
    (project / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in labelled_rows(120)))
    assert reproduce(run) == 3
    assert "data train (rows.jsonl)" in capsys.readouterr().err
    assert not report(project)["equal"]
    assert not list(project.glob("again/*/*/model"))


def test_another_base_model_is_named(run: Path, project: Path, capsys) -> None:
    edit(run / "run.json", base_model={"model.safetensors": "0" * 64})
    assert reproduce(run) == 3
    assert "base model model.safetensors: 000000000000 then" in capsys.readouterr().err


def test_another_version_is_named_though_the_result_is_equal(
    run: Path, project: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = folder.versions()
    monkeypatch.setattr(reproduction, "versions", lambda: {**now, "torch": "9.9"})
    assert reproduce(run) == 0
    assert f"although not the same: version torch: {now['torch']} then, 9.9 now" in capsys.readouterr().out


def test_another_result_is_an_error_unless_it_is_within_the_tolerance(
    run: Path, project: Path, capsys
) -> None:
    metrics = json.loads((run / "metrics.json").read_text())
    accuracy = metrics["splits"]["test"]["metrics"]["accuracy"]
    accuracy["value"] += 0.01
    (run / "metrics.json").write_text(json.dumps(metrics))
    weights = json.loads((run / "run.json").read_text())["weights"]
    edit(run / "run.json", weights=dict.fromkeys(weights, "f" * 64))
    assert reproduce(run) == 3
    err = capsys.readouterr().err
    assert "metric test accuracy" in err
    assert "weights model.safetensors: ffffffffffff then" in err
    assert main(["reproduce", str(run), "--runs-dir", "within", "--tolerance", "0.02"]) == 0


def test_a_run_that_was_not_evaluated_has_nothing_to_compare_with(run: Path, capsys) -> None:
    edit(run / "run.json", steps=["train"])
    assert reproduce(run) == 2
    assert "it lacks evaluate" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("metrics.json", None, "metrics.json: No such file or directory"),
        ("metrics.json", "[]", "metrics.json: has no `splits`"),
        ("events.jsonl", None, "events.jsonl: no event says on which device the run was trained"),
        ("events.jsonl", '{"event": "step"}\n', "events.jsonl: no event says on which device"),
    ],
)
def test_what_a_run_is_compared_by_is_looked_for_before_anything_is_trained(
    run: Path, project: Path, capsys, file: str, content: str | None, message: str
) -> None:
    if content is None:
        (run / file).unlink()
    else:
        (run / file).write_text(content)
    assert reproduce(run) == 2
    assert message in capsys.readouterr().err
    assert not (project / "again").exists()
