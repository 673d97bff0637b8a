"""The kill campaign in small: the whole one has a command of its own, `python benchmarks/kill_campaign.py`."""

from __future__ import annotations

import importlib
import json
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_few_kills_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))
    campaign = importlib.import_module("kill_campaign")
    assert campaign.main(["--kills", "4", "--tasks", "sentiment", "--folder", str(tmp_path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert lines[0] == {"target": "kills", "value": 4.0, "bar": 4, "ok": True}
    assert all(line["ok"] for line in lines)
