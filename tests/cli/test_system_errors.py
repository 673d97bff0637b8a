"""What the system refuses is a sentence with the file's name: 2 where an argument is to blame, 1 for a full disk."""

from __future__ import annotations

import errno
import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from serving import as_before

from ftcore.cli import main
from ftcore.errors import UserError
from ftcore.runs.folder import RunFolder
from ftcore.system_errors import sentence, system_error

LONG = "n" * 300


@pytest.mark.parametrize(
    "arguments",
    [
        ["validate", f"{LONG}.yaml"],
        ["validate", "a/" * 3000 + "spec.yaml"],
        ["validate", "spec.yaml", "--set", f"data.train={LONG}.csv"],
        ["validate", "spec.yaml", "--set", f"model.base={LONG}"],
        ["validate", "spec.yaml", "--set", f"model.base=./{LONG}"],
        ["validate", "spec.yaml", "--set", f"model.base=package:{LONG}/x"],
        ["validate", "spec.yaml", "--set", f"task={LONG}"],
        ["validate", "spec.yaml", "--set", f"{LONG}=1"],
        ["validate", "spec.yaml", "--plugins-dir", LONG],
        ["train", "spec.yaml", "--runs-dir", LONG],
        ["train", "spec.yaml", "--set", f"data.columns.text={LONG}"],
        ["evaluate", LONG],
        ["resume", f"runs/{LONG}"],
        ["reproduce", LONG],
        ["export", LONG],
        ["compare", LONG, LONG],
        ["predict", LONG, "--text", "a"],
        ["serve", f"{LONG}={LONG}"],
        ["package", "docker", LONG, "--output", LONG],
        ["runs", "--runs-dir", LONG],
        ["schema", LONG],
    ],
    ids=lambda arguments: " ".join(arguments)[:40],
)
def test_names_that_no_file_can_have(
    arguments: list[str], project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    printed = capsys.readouterr().err
    assert "internal error" not in printed
    assert "nnnnnnnn" in printed or "a/a/a/" in printed


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "a.bin"), "a.bin: No space left on device"),
        (Exception("I/O error: No space left on device (os error 28)"), "No space left on device"),
        (RuntimeError("[Errno 27] Error writing bytes to file"), "File too large"),
        (
            FileNotFoundError(errno.ENOENT, "No such file or directory", b"x" * 500),
            f"{'x' * 120}…: No such file",
        ),
    ],
)
def test_libraries_say_it_in_their_own_ways(error: Exception, message: str) -> None:
    cause = system_error(error)
    assert cause is not None
    assert sentence(cause).startswith(message)


@pytest.mark.parametrize(
    "error", [OSError("no number"), OSError(errno.ECHILD, "x"), ValueError("(os error 9999)"), KeyError("a")]
)
def test_other_errors_are_not_explained_away(error: Exception) -> None:
    assert system_error(error) is None


@pytest.mark.parametrize(
    ("cached", "largest", "message"),
    [
        (False, 1000, "File too large"),
        (True, 1000, "spec.resolved.json: File too large"),
    ],
    ids=["rows", "the run's folder"],
)
def test_a_full_disk_says_so_and_leaves_nothing(
    project: Path, cached: bool, largest: int, message: str
) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest, largest))

    rows = "".join(f"good {number},pos\nbad {number},neg\n" for number in range(300))
    (project / "train.csv").write_text(f"text,label\n{rows}")
    if cached:
        assert main(["audit", "--rows-only", "spec.yaml"]) == 0
    done = subprocess.run(
        [sys.executable, "-m", "ftcore", "train", "spec.yaml"],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONDONTWRITEBYTECODE": "1"},  # which would be cut, and break every later import
        preexec_fn=limit,
        check=False,
    )
    assert (done.returncode, "internal error" in done.stderr) == (1, False), done.stderr
    assert message in done.stderr
    assert not [*project.rglob("*.ftcore.tmp")]


@pytest.mark.timeout(30)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("pipe.yaml", ["validate", "pipe.yaml"]),
        ("base/README.md", ["validate", "spec.yaml"]),
        ("base/1_Pooling/config.json", ["train", "spec.yaml"]),
        ("plugins/pipe.py", ["tasks"]),
        ("pipe.json", ["serve", "--config", "pipe.json"]),
        ("pipe.csv", ["train", "spec.yaml", "--set", "data.train=pipe.csv"]),
        ("pipe.parquet", ["train", "spec.yaml", "--set", "data.train=pipe.parquet"]),
        ("pipe.json", ["train", "spec.yaml", "--set", "data.train={path: pipe.json, format: squad}"]),
    ],
)
def test_nobody_waits_for_a_pipe(name: str, arguments: list[str], project: Path) -> None:
    (project / name).parent.mkdir(exist_ok=True)
    os.mkfifo(project / name)
    with as_before():
        assert main(arguments) in (0, 2)


def run_record(project: Path) -> dict[str, object]:
    from ftcore.plugins import PluginRegistry
    from ftcore.runs.folder import create_run
    from ftcore.spec import load_spec

    resolved = load_spec(project / "spec.yaml", PluginRegistry.discover())
    folder = create_run(resolved, Path("runs"))
    folder.path.rename("run")
    record: dict[str, object] = json.loads(Path("run/run.json").read_text())
    return record


DAMAGES: dict[str, str | bytes | dict[str, object]] = {
    "empty": "",
    "cut": '{"name": "a',
    "not UTF-8": b"\xff\xfe",
    "too deep": "[" * 100_000,
    "a list": "[]",
    "no fields": "{}",
    "a number for text": {"base_dir": 7},
    "text for a list": {"steps": "train"},
    "a number for an object": {"recipe": 7},
    "a number for a list": {"data": 7},
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_record_of_a_run(damage: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, content = run_record(project), DAMAGES[damage]
    if isinstance(content, dict):
        content = json.dumps({**record, **content})
    Path("run/run.json").write_bytes(content.encode() if isinstance(content, str) else content)
    for command in ("evaluate", "export", "resume", "reproduce"):
        assert main([command, "run"]) == 2
        printed = capsys.readouterr().err
        assert printed.startswith("error: run: run.json cannot be read: ")
        assert "help: bring it back from a copy, or delete the run's folder" in printed
    Path("run").rename("runs/spec/damaged")
    run_record(project)
    Path("run").rename("runs/spec/whole")
    assert main(["runs"]) == 2
    printed = capsys.readouterr()
    assert "runs/spec/whole" in printed.out
    assert "runs/spec/damaged: run.json cannot be read" in printed.err


def test_a_record_of_a_later_version(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = json.dumps({**run_record(project), "schema_version": 2})
    Path("run/run.json").write_text(written)
    for command in ("evaluate", "export", "resume", "reproduce"):
        assert main([command, "run"]) == 2
        assert capsys.readouterr().err.startswith(
            "error: run: run.json has schema_version 2, and this ftcore knows 1\n  help: use the version"
        )
    assert Path("run/run.json").read_text() == written


@pytest.mark.parametrize("content", ["[]", "{}", '{"metric": "accuracy"}'])
def test_a_damaged_record_of_an_export(
    content: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_record(project)
    Path("run/export.json").write_text(content)
    with pytest.raises(UserError, match="has no `variants`"):
        RunFolder(Path("run")).exported()


def test_other_damaged_files_of_a_run(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_record(project)
    Path("run/predictions.test.jsonl").write_text('{"correct": true}\n{"correct"')
    shutil.copytree("run", "other")
    assert main(["compare", "run", "other"]) == 2
    assert "error: run/predictions.test.jsonl:2: cannot be read: " in capsys.readouterr().err
    Path("run/family.json").write_text("{")
    Path("run/model").mkdir()
    assert main(["evaluate", "run"]) == 2
    assert "run/family.json: cannot be read: " in capsys.readouterr().err
