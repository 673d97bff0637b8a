"""Families: shipped ones, a drop-in that brings a family with its task, and what is wrong with broken ones."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest
from models import tiny_spec
from ruamel.yaml import YAML
from spec_text import VALID

from ftcore.cli import main
from ftcore.errors import PluginError
from ftcore.plugins import PluginRegistry
from ftcore.spec import load_spec
from ftcore.training import engine

DROP_IN = '''"""Labels in a family of its own."""

from typing import ClassVar

from ftcore.api import Family, SequenceClassificationSpec, Task, hookimpl

_SHIPPED = "ftcore.families.sequence_classification"


class OwnSpec(SequenceClassificationSpec):
    family: ClassVar[str] = "own"


FAMILY = Family(
    name="own",
    spec=f"{__name__}:OwnSpec",
    reader=f"{_SHIPPED}.reader:LabelReader",
    model=f"{_SHIPPED}.model:LabelModel",
    scoring=f"{_SHIPPED}.scoring:LabelScoring",
    export=f"{_SHIPPED}.export:LabelExporter",
    decoder="sequence_classification",
)


@hookimpl
def ftcore_task():
    return Task(id="own", summary="Labels", spec=OwnSpec)
'''


def drop_in(project: Path, text: str, name: str = "own") -> PluginRegistry:
    (project / "plugins").mkdir(exist_ok=True)
    (project / "plugins" / f"{name}.py").write_text(text)
    return PluginRegistry.discover()


def test_one_file_brings_a_family_and_its_task(project: Path) -> None:
    registry = drop_in(project, DROP_IN)
    assert {info.kind for info in registry.infos(None) if info.id == "own"} == {"task", "family"}
    (project / "spec.yaml").write_text(VALID.replace("sentiment", "own"))
    resolved = load_spec(project / "spec.yaml", registry)
    assert resolved.task.family.name == "own"
    assert type(resolved.spec).__name__ == "OwnSpec"


def test_a_family_from_outside_is_trained_stopped_resumed_exported_and_asked(
    project: Path, tiny_base: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    drop_in(project, DROP_IN)
    YAML().dump(tiny_spec(tiny_base, task="own", training={"checkpoint_every": 2}), project / "small.yaml")
    assert main(["validate", "small.yaml"]) == 0
    step = engine._Loop._step

    def stopped(self: Any, micro_batches: Any) -> None:
        if self.progress.step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        step(self, micro_batches)

    monkeypatch.setattr(engine._Loop, "_step", stopped)
    assert main(["run", "small.yaml"]) == 143
    monkeypatch.setattr(engine._Loop, "_step", step)
    (folder,) = project.glob("runs/*/*")
    assert main(["resume", str(folder)]) == 0
    assert json.loads((folder / "run.json").read_text())["family"] == "own"
    assert json.loads((folder / "family.json").read_text())["labels"] == ["neg", "pos"]
    assert json.loads((folder / "export.json").read_text())["problems"] == []
    assert main(["export", str(folder)]) == 0
    capsys.readouterr()
    (project / "plugins" / "own.py").unlink()  # a bundle needs its decoder alone
    assert main(["predict", str(folder / "bundle"), "--text", "good food", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["label"] in ("neg", "pos")


OTHER_SPEC = 'class Bad(SequenceClassificationSpec):\n    family: ClassVar[str] = "own"\n\n\nFAMILY ='
BROKEN = {
    "another spec": (
        DROP_IN.replace("spec=OwnSpec", "spec=Bad").replace("FAMILY =", OTHER_SPEC),
        "is no subclass of `ftcore_drop_in_own:OwnSpec`",
    ),
    "no module": (
        DROP_IN.replace("}.reader:", "}.raeder:"),
        "its reader is not there: `ftcore.families.sequence_classification.raeder",
    ),
    "no attribute": (DROP_IN.replace(":OwnSpec", ":OnwSpec"), "has no attribute 'OnwSpec'"),
    "no colon": (
        DROP_IN.replace("model:LabelModel", "model"),
        "a part of a family is written `module:Class`",
    ),
    "another name": (DROP_IN.replace('name="own"', 'name="other"'), "it calls itself `other`"),
    "not a family": (DROP_IN.replace("FAMILY = Family(", "FAMILY = dict("), "is dict, not a Family"),
    "no decoder": (
        DROP_IN.replace('decoder="s', 'decoder="z'),
        "no installed distribution has its decoder `zequence_classification`",
    ),
    "no such family": (DROP_IN.replace("FAMILY =", "ELSE ="), "unknown family `own`"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_family_is_found_when_its_task_is_validated(
    name: str, project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text, expected = BROKEN[name]
    registry = drop_in(project, text)
    with pytest.raises(PluginError) as caught:
        registry.load("own")
    assert expected in str(caught.value)
    assert caught.value.where is None or "own.py" in caught.value.where
    (project / "spec.yaml").write_text(VALID.replace("sentiment", "own"))
    assert main(["validate", "spec.yaml"]) == 2
    assert "error[task]" in capsys.readouterr().err


def test_the_list_shows_every_kind_with_its_status(project: Path, capsys: pytest.CaptureFixture[str]) -> None:
    drop_in(project, DROP_IN.replace("}.reader:", "}.raeder:"))
    drop_in(project, "from ftcore.api import hookimpl\n@hookimpl\ndef ftcore_event(event): ...\n", "watch")
    assert main(["plugins", "--json", "--strict"]) == 2
    found = {(one["kind"], one["id"]): one for one in json.loads(capsys.readouterr().out)}
    assert {found["source", "csv"]["status"], found["decoder", "span_extraction"]["status"]} == {"ok"}
    assert found["family", "text_generation"]["status"] == found["task", "qa"]["status"] == "ok"
    assert found["observer", "watch"]["hooks"] == ["ftcore_event"]
    assert found["family", "own"]["status"] == found["task", "own"]["status"] == "broken"
    assert "its reader is not there" in found["family", "own"]["problem"]


def test_the_families_of_ftcore_need_no_mention_in_an_allowlist_and_others_do(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FTCORE_PLUGINS", "qa")
    registry = drop_in(project, DROP_IN)
    assert registry.load("qa").family.name == "span_extraction"
    with pytest.raises(PluginError, match="not allowed"):
        registry.family("own")
