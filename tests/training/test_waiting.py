"""Threads wait asleep unless the environment says how; it is set before torch, which reads it once, is imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ftcore import waiting
from ftcore.waiting import wait_asleep


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({}, {"GOMP_SPINCOUNT": "20000", "KMP_BLOCKTIME": "0"}),
        ({"GOMP_SPINCOUNT": "5"}, {"GOMP_SPINCOUNT": "5", "KMP_BLOCKTIME": "0"}),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, {"OMP_WAIT_POLICY": "ACTIVE"}),
    ],
)
def test_what_the_environment_says_counts(
    before: dict[str, str], after: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(waiting, "crowded", lambda: False)
    wait_asleep(before)
    assert before == after


def test_next_to_others_who_are_at_work_threads_sleep_at_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(waiting, "crowded", lambda: True)
    environment: dict[str, str] = {}
    wait_asleep(environment)
    assert environment["GOMP_SPINCOUNT"] == "0"
    monkeypatch.undo()
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    loadavg = tmp_path / "loadavg"
    for cpus, running, expected in ((4, 1, False), (4, 2, True), (2, 3, False), (2, 4, True)):
        monkeypatch.setattr(waiting, "cpu_count", lambda cpus=cpus: cpus)
        loadavg.write_text(f"0.20 0.18 0.12 {running}/80 11206\n")
        assert waiting.crowded(loadavg) == expected, (cpus, running)
    assert not waiting.crowded(tmp_path / "none")


def test_the_command_line_says_it_before_torch_is_there() -> None:
    code = (
        "import sys, ftcore.waiting as w\n"
        "import ftcore.cli as cli\n"
        "assert 'torch' not in sys.modules\n"
        "cli.main(['tasks'])\n"
        "import os\n"
        "print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)\n"
    )
    environment = {"PATH": "", "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment
    )
    assert done.stdout.splitlines()[-1] in ("20000 False", "0 False")
