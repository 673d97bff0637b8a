"""The commands that import nothing heavy: what they print, for people and for tools, and how they fail."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from shipped_tasks import SHIPPED

import ftcore
from ftcore.catalog import task_files
from ftcore.cli import COMMANDS, main
from ftcore.errors import CheckFailed, ExitCode


def printed(capsys: pytest.CaptureFixture[str]) -> str:
    out, err = capsys.readouterr()
    assert err == ""
    return out


def test_validate_a_valid_spec(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["validate", "spec.yaml"]) == 0
    assert printed(capsys) == "spec.yaml: valid, task sentiment\n"
    assert main(["validate", "spec.yaml", "--json", "--set", "task=classification"]) == 0
    assert json.loads(printed(capsys)) == [
        {"spec": "spec.yaml", "valid": True, "task": "classification", "errors": []}
    ]


#: Those that need no run of another one; the student's teacher is a run of `sentiment`.
_ALONE = [file for file in task_files() if file.name != "student"]


@pytest.mark.parametrize("file", _ALONE, ids=lambda file: file.name)
def test_shipped_task_files_are_valid_by_name_and_by_path(
    file, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--no-data", file.name, str(file.path)]) == 0
    assert printed(capsys).count(f": valid, task {file.task}\n") == 2


def test_tasks(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["tasks"]) == 0
    text = printed(capsys)
    assert re.search(r"^sentiment +shipped +Sentiment: ", text, flags=re.MULTILINE)
    assert main(["tasks", "--json"]) == 0
    listed = json.loads(printed(capsys))
    assert [task["id"] for task in listed["tasks"]] == SHIPPED
    assert {file["name"] for file in listed["files"]} >= set(SHIPPED)
    assert all(Path(file["path"]).is_file() and file["summary"] for file in listed["files"])


def test_plugins(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "bad.py").write_text("print('noise')\nraise RuntimeError('boom')\n")
    assert main(["plugins"]) == 0
    out, err = capsys.readouterr()
    assert re.search(
        rf"^task +sentiment +ok +shipped +ftcore {ftcore.__version__} +ftcore_task", out, flags=re.MULTILINE
    )
    assert re.search(r"^\S+ +bad +broken +drop-in +- +- ", out, flags=re.MULTILINE)
    assert "bad.py:2: plugin `bad` cannot be imported: RuntimeError: boom" in out
    assert err == "noise\n", "what a plugin prints stays out of the list"
    assert main(["plugins", "--json", "--strict"]) == 2
    records = json.loads(capsys.readouterr().out)
    tasks = {record["id"]: record["status"] for record in records if record["kind"] == "task"}
    assert {**tasks, "bad": "broken"} == {"bad": "broken", **dict.fromkeys(SHIPPED, "ok")}
    assert [record["status"] for record in records if record["id"] == "bad"] == ["broken"]


def test_strict_accepts_what_is_not_allowed(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTCORE_PLUGINS", "sentiment")
    assert main(["plugins", "--strict"]) == 0
    assert "not allowed" in printed(capsys)


def test_schema(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["schema", "sentiment"]) == 0
    schema = json.loads(printed(capsys))
    Draft202012Validator.check_schema(schema)
    assert schema["properties"]["task"]["const"] == "sentiment"
    assert main(["schema"]) == 0
    branches = json.loads(printed(capsys))["oneOf"]
    assert [branch["properties"]["task"]["const"] for branch in branches] == SHIPPED


def test_schema_leaves_out_what_does_not_load(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "bad.py").write_text("raise RuntimeError('boom')\n")
    assert main(["schema"]) == 0
    out, err = capsys.readouterr()
    assert len(json.loads(out)["oneOf"]) == len(SHIPPED)
    assert "plugin `bad` cannot be imported" in err
    assert main(["schema", "bad"]) == 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["valdate", "x"], "did you mean `validate`?"),
        (["tasks", "--jsn"], "did you mean `--json`?"),
        (["bundle", "pack", "a", "b", "--output", "c"], "see `ftcore bundle pack --help`"),
        (["zzz"], "choose from "),
        ([], "COMMAND"),
        (["validate"], "SPEC"),
        (["tasks", "--plugins-dir", "none"], "no such folder: `none`"),
        (["schema", "sentimen"], "did you mean `sentiment`?"),
    ],
    ids=" ".join,
)  # fmt: skip
def test_wrong_arguments(
    arguments: list[str], says: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("error: ")
    assert says in err


@pytest.mark.parametrize("before", [True, False])
def test_common_options_stand_before_and_after_the_command(
    before: bool, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "mine").mkdir()
    (project / "mine" / "quiet.py").write_text('"""Quiet."""\n')
    options = ["--plugins-dir", "mine"]
    assert main([*options, "tasks"] if before else ["tasks", *options]) == 0
    assert "quiet" in printed(capsys)


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert printed(capsys) == f"ftcore {ftcore.__version__}\n"
    assert main(["--help"]) == 0
    text = printed(capsys)
    assert all(command in text for command in COMMANDS)
    assert "exit codes" in text
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert "--debug" in printed(capsys)


@pytest.mark.parametrize(
    ("error", "code", "says"),
    [
        (KeyboardInterrupt(), ExitCode.INTERRUPTED, "interrupted"),
        (CheckFailed("flips: 3 > 0"), ExitCode.CHECK_FAILED, "flips: 3 > 0"),
        (ZeroDivisionError("oops"), ExitCode.FAILED, "run again with --debug for the traceback"),
        (BrokenPipeError(), ExitCode.FAILED, None),
    ],
)
def test_exit_codes(
    error: BaseException,
    code: ExitCode,
    says: str | None,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    def fail(folder: object = None) -> None:
        raise error

    monkeypatch.setattr("ftcore.catalog.task_files", fail)
    assert main(["tasks"]) == code
    err = capfd.readouterr().err
    assert (says in err) if says else (err == "")
    assert "Traceback" not in err
    if code == ExitCode.FAILED and says:
        assert main(["tasks", "--debug"]) == code
        assert "Traceback" in capfd.readouterr().err


def test_reader_that_goes_away_is_no_error(project: Path) -> None:
    command = f"{sys.executable} -m ftcore schema | head -c 10"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ('{\n  "$sche', "")


def test_a_command_whose_packages_are_not_installed_says_which_extra_brings_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def needs_torch() -> None:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    monkeypatch.setattr("ftcore.catalog.task_files", needs_torch)
    assert main(["tasks"]) == 2
    assert "the package `torch`" in (err := capsys.readouterr().err)
    assert "pip install 'ftcore[train]'" in err
