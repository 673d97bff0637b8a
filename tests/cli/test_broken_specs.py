"""Every way a spec can be broken: the error is at the right location, the exit code 2, and no traceback."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path

import pytest
from shipped_tasks import SHIPPED
from spec_text import VALID

from ftcore.cli import main
from ftcore.spec.compose import MAX_NODES


def edited(old: str, new: str) -> str:
    assert old in VALID
    return VALID.replace(old, new)


BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join(['*' + before] * 9)}]\n"
    for before, name in zip("abcdefg", "bcdefgh", strict=True)
)

# name: (the file, "line:column" of the one error, a part of what it says)
BROKEN: dict[str, tuple[str | bytes, str, str]] = {
    "typo in a key": (edited("train:", "trian:"), "3:3", "did you mean `train`?"),
    "key of another section": (
        edited("training:\n  epochs", "epochs"),
        "7:1",
        "did you mean `training.epochs`?",
    ),
    "key that is nowhere": (edited("model:", "zzz: 1\nmodel:"), "5:1", "the keys here are `task`"),
    "text for a number": (
        edited("epochs: 1", "epochs: three"),
        "8:11",
        "expected a number, got the text 'three'",
    ),
    "quoted number": (edited("epochs: 1", 'epochs: "1_000"'), "8:11", "write the number bare: 1000"),
    "number for text": (edited("[neg, pos]", "[neg, 1]"), "4:17", "put it in quotes: '1'"),
    "number with zeros before it": (edited("[neg, pos]", "[neg, 01]"), "4:17", "put it in quotes: '01'"),
    "number with zeros behind it": (edited("[neg, pos]", "[neg, 1.10]"), "4:17", "put it in quotes: '1.10'"),
    "true for a label": (edited("[neg, pos]", "[neg, True]"), "4:17", "put it in quotes: 'True'"),
    "null for a label": (edited("[neg, pos]", "[neg, null]"), "4:17", "put it in quotes: 'null'"),
    "decimal comma": (
        edited("epochs: 1", 'learning_rate: "0,001"'),
        "8:18",
        "write the number with a point: 0.001",
    ),
    "thousands": (
        edited("epochs: 1", 'batch_size: "1,000"'),
        "8:15",
        "write the number bare: 1000, or 1.000 if the comma is a decimal point",
    ),
    "another tool's name of the base": (edited("model:", "model:\n  name: x"), "6:3", "did you mean `base`?"),
    "another tool's name of variants": (
        edited("model:", "export: {quantize: int8}\nmodel:"),
        "5:10",
        "did you mean `variants`?",
    ),
    "another tool's learning rate": (edited("epochs: 1", "lr: 1"), "8:3", "did you mean `learning_rate`?"),
    "text for a list": (edited("[neg, pos]", "neg"), "4:11", "expected a list, got the text 'neg'"),
    "text for a section": (
        edited("\n  epochs: 1", " fast"),
        "7:11",
        "expected a section, got the text 'fast'",
    ),
    "empty section": (edited("\n  epochs: 1", ""), "7:1", "expected a section, got nothing"),
    "fraction of a whole": (edited("epochs: 1", "batch_size: 1.5"), "8:15", "expected a whole number"),
    "true for a number": (edited("epochs: 1", "epochs: true"), "8:11", "got `true`"),
    "number out of range": (edited("epochs: 1", "learning_rate: -1e-5"), "8:18", "a number above 0"),
    "key of the top level in a section": (
        edited("training:\n", "evaluation: {slices: []}\ntraining:\n"),
        "7:14",
        "did you mean `slices` at the top level?",
    ),
    "delimiter that is none": (
        edited("train: train.csv", "train: {path: train.csv, delimiter: '\"'}"),
        "3:39",
        "a quote, a line end or a NUL byte parts no fields",
    ),
    "address of a file": (edited("train.csv", "https://localhost/a.csv"), "3:10", "download it first"),
    "not a number": (edited("epochs: 1", "epochs: .nan"), "8:11", "not a finite number"),
    "too large a number": (edited("epochs: 1", "epochs: 1e999"), "8:11", "too large"),
    "unknown choice": (edited("epochs: 1", "scheduler: linaer"), "8:14", "did you mean `linear`?"),
    "branches of a union": (edited("epochs: 1", "evaluate_every: 0"), "8:19", "at least 1 or `epoch`"),
    "item of a union": (edited("epochs: 1", "class_weights: {neg: x}"), "8:24", "expected a number"),
    "name that is a path": (edited("task:", "name: ../up\ntask:"), "1:7", "text of the form"),
    "missing required key": (edited("  train: train.csv\n", ""), "2:1", "`train` is missing in `data`"),
    "missing section": (VALID.partition("model:")[0], "1:1", "`model` is missing"),
    "missing task": (
        edited("task: sentiment\n", ""),
        "1:1",
        f"the tasks are {', '.join(f'`{task}`' for task in SHIPPED)}",
    ),
    "unknown task": (edited("sentiment", "sentimnet"), "1:7", "did you mean `sentiment`?"),
    "task that is no text": (edited("sentiment", "[a]"), "1:1", "`task` is the name of a task"),
    "two sources": (edited("train.csv", "{path: train.csv, hub: a/b}"), "3:11", "give exactly one of"),
    "no source": (edited("train.csv", "{}"), "3:3", "give exactly one of"),
    "condition without a bound": (
        edited("model:", "  where: [{column: x}]\nmodel:"),
        "5:11",
        "at least one of",
    ),
    "label twice": (edited("[neg, pos]", "[neg, neg]"), "4:3", "more than once"),
    "four sentiments": (edited("[neg, pos]", "[a, b, c, d]"), "4:3", "2, 3 or 5 labels"),
    "missing data file": (
        edited("train.csv", "tain.csv"),
        "3:10",
        "did you mean `train.csv`, in the same folder?",
    ),
    "missing data file by path": (
        edited("train.csv", "{path: no.csv}"),
        "3:17",
        "no such file or folder: `no.csv`",
    ),
    "missing base model": (edited("./base", "../elsewhere/base"), "6:9", "no such file or folder"),
    "missing package": (
        edited("./base", "package:no_such_module/x"),
        "6:9",
        "`no_such_module` is not installed",
    ),
    "missing file in a package": (edited("./base", "package:pluggy/hoks.py"), "6:9", "has no `hoks.py`"),
    "package left by ..": (edited("./base", "package:pluggy/../x"), "6:9", "not of the form"),
    "bad indentation": (edited("  labels", " labels"), "4:2", "check this line's indentation"),
    "deeper indentation": (edited("  labels", "    labels"), "4:11", "check this line's indentation"),
    "tab": (edited("  labels", "\tlabels"), "4:1", "put spaces in the place of the tab"),
    "unclosed bracket": (edited("pos]", "pos"), "5:6", "is not closed"),
    "unclosed quote": (edited("sentiment", "'sentiment"), "9:1", "is not closed"),
    "no value marker": (
        edited("train: train.csv", "train train.csv"),
        "4:9",
        "check this line's indentation",
    ),
    "duplicate key": (edited("model:", "data: {}\nmodel:"), "5:1", "the first is on line 2"),
    "key that is no text": (edited("model:", "1: x\nmodel:"), "5:1", "put it in quotes: '1'"),
    "merge key": (edited("  epochs: 1", "  <<: {epochs: 1}"), "8:3", "not part of YAML 1.2"),
    "python tag": (edited("train.csv", "!!python/object/apply:os.system [ls]"), "3:10", "is not allowed"),
    "unknown alias": (edited("train.csv", "*there"), "3:10", "names no anchor"),
    "alias of itself": (edited("[neg, pos]", "&x [*x]"), "4:15", "names no anchor"),
    "alias bomb": (BOMB, "5:12", f"more than {MAX_NODES} values"),
    "many aliases": ("a: &a 1\nb: [" + "*a, " * 101 + "]\n", "2:405", "more than 100 aliases"),
    "deep nesting": ("a: " + "[" * 500, "1:43", "nested deeper than 40 levels"),
    "deep nesting, block style": ("".join(" " * i + "a:\n" for i in range(60)), "40:40", "nested deeper"),
    "many values": ("a:\n" + "- 1\n" * MAX_NODES, f"{MAX_NODES - 1}:3", f"more than {MAX_NODES} values"),
    "long line": ("a: 1\nb: " + "x" * 100_000, "2:1", "more than 64 KiB"),
    "list at the top": ("- task: sentiment\n", "1:1", "a mapping at its top level"),
    "text at the top": ("sentiment\n", "1:1", "a mapping at its top level"),
    "empty file": ("", "1:1", "the spec is empty"),
    "comments only": ("# nothing\n", "1:1", "the spec is empty"),
    "several documents": (VALID + "---\n" + VALID, "9:1", "a second document"),
    "directive": ("# old\n%YAML 1.1\n---\n" + VALID, "2:1", "directives are not allowed"),
    "not UTF-8": (VALID.replace("neg", "n\xe9g").encode("latin-1"), "4:13", "byte 0xe9 is not UTF-8"),
    "control character": (edited("sentiment", "senti\x1bment"), "1:12", "U+001B"),
    "wrong escape": (edited("train.csv", '"C:\\q"'), "3:14", "a backslash is written twice"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_error_is_at_the_right_location(name: str, project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text, location, says = BROKEN[name]
    (project / "spec.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
    assert main(["validate", "spec.yaml"]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"spec.yaml:{location}: error[")
    assert err.count(": error[") == 1
    assert says in err
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x7fELF\x02\x01\x01\x00\x00\x00", "not a text file"),
        (b"# x\n" * 2_600_000, "larger than the 1024 KiB"),
    ],
    ids=["binary", "10 MB"],
)
def test_file_that_is_no_spec(
    content: bytes, says: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "spec.yaml").write_bytes(content)
    assert main(["validate", "spec.yaml"]) == 2
    err = capsys.readouterr().err
    assert err.startswith("spec.yaml: error[")
    assert says in err


@pytest.mark.parametrize(
    ("argument", "says"),
    [
        ("spce.yaml", "did you mean `spec.yaml`?"),
        ("sentimnt", "did you mean `sentiment`?"),
        ("base", "is a folder"),
        ("lost.yaml", "`lost.yaml` is a link that leads nowhere"),
        ("pipe.yaml", "`pipe.yaml` is a pipe or a device, not a spec file"),
    ],
)
def test_spec_that_is_not_there(
    argument: str, says: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "lost.yaml").symlink_to(project / "nowhere")
    os.mkfifo(project / "pipe.yaml")
    assert main(["validate", argument]) == 2
    assert says in capsys.readouterr().err


# argument: ("line:column" within it, a part of what is said)
BAD_OVERRIDES = {
    "training.epochs": ("1:1", "not of the form"),
    "=1": ("1:1", "not of the form"),
    "training..epochs=1": ("1:1", "not of the form"),
    "training.epochs=many": ("1:17", "expected a number, got the text 'many'"),
    "training.epoch=1": ("1:1", "did you mean `epochs`?"),
    "training.epochs=[1": ("1:19", "is not closed"),
    "training={epochs: 0}": ("1:19", "a number above 0"),
    "task=sentimnet": ("1:6", "did you mean `sentiment`?"),
    "task.name=x": ("1:1", "`task` is a value, not a section"),
    "data.labels.7=x": ("1:13", "is a list of 2"),
    "data.train=no.csv": ("1:12", "no such file or folder"),
    "evaluation.bootstrap=-1": ("1:22", "at least 0"),
}


@pytest.mark.parametrize("argument", BAD_OVERRIDES)
def test_bad_override_shows_the_argument(
    argument: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    location, says = BAD_OVERRIDES[argument]
    assert main(["validate", "spec.yaml", "--set", argument]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"--set:{location}: error[")
    assert f"1 | {argument}" in err
    assert says in err


def test_every_error_at_once_in_the_order_of_the_text(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = (
        edited("train.csv", "no.csv")
        .replace("[neg, pos]", "[neg, 2]")
        .replace("epochs: 1", "epohcs: 1\n  seed: x")
    )
    (project / "spec.yaml").write_text(text)
    (project / "other.yaml").write_text("task: [\n")
    assert main(["validate", "spec.yaml", "other.yaml", "--json", "--set", "model.max_length=1"]) == 2
    verdicts = json.loads(capsys.readouterr().out)
    assert [verdict["valid"] for verdict in verdicts] == [False, False]
    errors = verdicts[0]["errors"]
    assert [(error["file"], error["line"], error["column"], error["key"]) for error in errors] == [
        ("spec.yaml", 3, 10, "data.train"),
        ("spec.yaml", 4, 17, "data.labels[1]"),
        ("spec.yaml", 8, 3, "training.epohcs"),
        ("spec.yaml", 9, 9, "training.seed"),
        ("--set", 1, 18, "model.max_length"),
    ]
    assert {error["code"] for error in errors} == {"file", "value", "unknown-key"}
    assert verdicts[1]["errors"][0]["line"] == 2


def test_excerpt_has_a_caret_under_the_fault(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (project / "spec.yaml").write_text(edited("[neg, pos]", "[好, 3, pos]"))
    main(["validate", "spec.yaml"])
    assert capsys.readouterr().err == (
        "spec.yaml:4:15: error[value]: expected text, got the number 3\n"
        "   4 |   labels: [好, 3, pos]\n"
        "     |                ^\n"
        "     = help: put it in quotes: '3'\n"
    )


@pytest.mark.parametrize("what", ["keys", "labels"])
def test_thousands_of_errors_are_fifty_and_a_count(
    project: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    many = {
        "keys": VALID + "\n".join(f"key{number}: 1" for number in range(9000)) + "\n",
        "labels": edited(
            "[neg, pos]", "[\n" + ",\n".join("    " + str(number) for number in range(15_000)) + "]"
        ),
    }[what]
    (project / "spec.yaml").write_text(many.replace("task: sentiment", "task: classification"))
    start = time.process_time()
    assert main(["validate", "spec.yaml"]) == 2
    assert time.process_time() - start < 10  # on one busy core; it was minutes
    error = capsys.readouterr().err
    assert error.count(": error[") == 51
    assert "more errors" in error
