"""Families: shipped ones, a drop-in that brings a family with its task, and what is wrong with broken ones."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from spec_text import VALID

from ftcore.cli import main
from ftcore.errors import PluginError
from ftcore.plugins import PluginRegistry
from ftcore.spec import load_spec

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
