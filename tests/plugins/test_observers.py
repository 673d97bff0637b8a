"""Observers: a drop-in of a few lines sees the events of a shipped task's run, and its faults end none."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from models import tiny_spec
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.plugins import PluginRegistry

TRACKER = '''"""Writes what a run did to a file."""

from ftcore.api import hookimpl


@hookimpl
def ftcore_event(event):
    with open("seen.txt", "a") as file:
        print(event["event"], file=file)
    event.clear()
'''
RAISES = TRACKER.replace('    with open("seen.txt", "a") as file:\n', "").replace(
    '        print(event["event"], file=file)', '    raise OSError("no tracker there")'
)


def train(project: Path, base: Path) -> tuple[int, Path]:
    YAML().dump(tiny_spec(base), project / "small.yaml")
    code = main(["train", "small.yaml"])
    (folder,) = project.glob("runs/*/*")
    return code, folder


def events_of(folder: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def test_a_drop_in_sees_the_events_of_a_shipped_task(project: Path, tiny_base: Path) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "tracker.py").write_text(TRACKER)
    (project / "plugins" / "needs_more.py").write_text(TRACKER.replace("ftcore.api", "no_such_module"))
    assert len(TRACKER.splitlines()) <= 15
    code, folder = train(project, tiny_base)
    assert code == 0
    seen, written = (project / "seen.txt").read_text().split(), events_of(folder)
    assert seen == [event["event"] for event in written]
    assert {"data_loaded", "step", "run_finished"} <= set(seen)
    (warning,) = [event["message"] for event in written if event["event"] == "warning"]
    assert "plugin `needs_more` cannot be imported" in warning
    assert "install what it needs: `no_such_module`" in warning
    (record,) = json.loads((folder / "run.json").read_text())["observers"]
    assert (record["id"], record["origin"], len(record["sha256"])) == ("tracker", "drop-in", 64)


def test_one_that_raises_becomes_a_warning_and_the_run_ends_well(
    project: Path, tiny_base: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "plugins").mkdir()
    (project / "plugins" / "broken.py").write_text(RAISES)
    (project / "plugins" / "tracker.py").write_text(TRACKER)
    code, folder = train(project, tiny_base)
    assert code == 0
    assert "run_finished" in (project / "seen.txt").read_text().split()
    warnings = [event["message"] for event in events_of(folder) if event["event"] == "warning"]
    expected = "the observer `broken` raised OSError: no tracker there; it sees no more of this run"
    assert warnings == [expected]
    assert expected in " ".join(capsys.readouterr().out.split())


def test_what_an_observer_may_be(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (project / "plugins").mkdir()
    extra = "\n\n@hookimpl\ndef ftcore_metrics(answers):\n    return {}\n"
    (project / "plugins" / "meddles.py").write_text(TRACKER + extra)
    (project / "plugins" / "tracker.py").write_text(TRACKER)
    loaded, problems = PluginRegistry.discover().observers()
    assert [observer.info.id for observer in loaded] == ["tracker"]
    assert "its `ftcore_metrics` is for the plugin of a task" in str(problems[0])
    monkeypatch.setenv("FTCORE_PLUGINS", "ftcore")
    assert PluginRegistry.discover().observers() == ([], []), "one allowlist for all kinds"
