"""What the terminal shows of each class of error: what is wrong, where, and what to do about it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import ftcore.cli
from ftcore.cli import main
from ftcore.errors import BundleError, DataError, InputError, ModelError, PluginError, UserError
from ftcore.files import DamagedError
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import create_run
from ftcore.spec import load_spec
from ftcore.spec.diagnostics import SpecError

ROWS = "text,label\n" + "".join(f"text {row},{('neg', 'pos')[row % 2]}\n" for row in range(40))
#: Class -> the files that it takes, the command, and all that is printed.
CASES: dict[type[UserError], tuple[dict[str, str], list[str], list[str]]] = {
    UserError: (
        {},
        ["evaluate", "nowhere"],
        [
            "error: nowhere: no run of this name in runs, and no such folder",
            "  help: `ftcore runs` lists the runs there are",
        ],
    ),
    SpecError: (
        {"wrong.yaml": "task: classification\ndata: {train: trian.csv}\nmodel: {base: ./base}\n"},
        ["train", "wrong.yaml"],
        [
            "wrong.yaml:2:15: error[file]: no such file or folder: `trian.csv`",
            "   2 | data: {train: trian.csv}",
            "     |               ^^^^^^^^^",
            "     = help: did you mean `train.csv`, in the same folder?",
        ],
    ),
    DataError: (
        {"train.csv": "text,label\ngood,pos\nbad\n"},
        ["train", "spec.yaml"],
        [
            "error: train.csv:3: the row has 1 field, the header 2",
            "  help: fix this row in the source",
        ],
    ),
    PluginError: (
        {},
        ["schema", "sentimen"],
        ["error: unknown task `sentimen`", "  help: did you mean `sentiment`?"],
    ),
    ModelError: (
        {"train.csv": ROWS},
        ["train", "spec.yaml"],
        [
            "error: PROJECT/base: the tokenizer has 70 tokens, the model's embeddings 69",
            "  help: the tokenizer is another model's; or enlarge the embeddings once, with"
            " `model.resize_token_embeddings(len(tokenizer))`",
        ],
    ),
    DamagedError: (
        {"run/family.json": "{"},
        ["evaluate", "run"],
        [
            "error: run/family.json: cannot be read: Expecting property name enclosed in double quotes: line 1 column 2"
            " (char 1)",
            "  help: bring it back from a copy, or make it anew",
        ],
    ),
    BundleError: (
        {},
        ["predict", "nowhere", "--text", "a"],
        [
            "error: nowhere: is no bundle folder: No such file or directory",
            "  help: give the folder that holds bundle.json",
        ],
    ),
    InputError: (
        {},
        ["explain", "BUNDLE", "--text", "a"],
        ["error: there is one word only: nothing would be left without it"],
    ),
}


def record_run(spec: Path, folder: Path) -> None:
    """Make a run's folder, with the folder of a model in it."""
    create_run(load_spec(spec, PluginRegistry.discover()), folder.parent / "runs").path.rename(folder)
    (folder / "model").mkdir()


@pytest.fixture
def failed(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The errors that reached the command line."""
    found: list[Any] = []
    real = ftcore.cli._fail
    monkeypatch.setattr(ftcore.cli, "_fail", lambda error, code: found.append(error) or real(error, code))
    return found


@pytest.mark.parametrize("kind", CASES, ids=lambda kind: kind.__name__)
def test_a_class_of_errors_is_printed_whole(
    kind: type[UserError],
    project: Path,
    tiny_bundle: Path,
    failed: list[Any],
    capsys: pytest.CaptureFixture[str],
) -> None:
    files, command, lines = CASES[kind]
    record_run(project / "spec.yaml", project / "run")
    for name, content in files.items():
        (project / name).write_text(content)
    assert main([str(tiny_bundle) if word == "BUNDLE" else word for word in command]) == 2
    assert [type(error) for error in failed] == [kind]
    assert capsys.readouterr().err.replace(str(project), "PROJECT").splitlines() == lines


def test_there_is_a_case_for_every_class() -> None:
    def classes(base: type[UserError]) -> Iterator[type[UserError]]:
        yield base
        for one in base.__subclasses__():
            yield from classes(one)

    assert {one for one in classes(UserError) if one.__module__.startswith("ftcore")} == CASES.keys()
