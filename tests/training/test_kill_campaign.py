"""The kill campaign in small: the whole one has a command of its own, `python benchmarks/kill_campaign.py`."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_a_few_kills_change_nothing(tmp_path: Path, capsys) -> None:
    path = Path(__file__).parents[2] / "benchmarks" / "kill_campaign.py"
    spec = importlib.util.spec_from_file_location("kill_campaign", path)
    assert spec is not None
    assert spec.loader is not None
    campaign = importlib.util.module_from_spec(spec)
    import sys

    sys.modules["kill_campaign"] = campaign  # its dataclasses look it up
    spec.loader.exec_module(campaign)
    assert campaign.main(["--kills", "4", "--tasks", "sentiment", "--folder", str(tmp_path)]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines() if line.startswith("{")]
    assert lines[0] == {"name": "kills", "value": 4, "target": 4, "met": True}
    assert all(line["met"] for line in lines)
