"""Runs go to free GPUs first, and beside others only where measured memory says that they fit."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from ftcore.runs.placement import Placed, choose_gpu, free_memory

GB = 1_000_000_000


@pytest.mark.parametrize(
    ("running", "free", "gpu"),
    [
        pytest.param([], {}, "0", id="all are empty"),
        pytest.param([Placed("0", None)], {}, "1", id="one is empty"),
        pytest.param([Placed("0", None), Placed("1", None)], {"0": 80, "1": 80}, None, id="not measured"),
        pytest.param([Placed("0", 9 * GB), Placed("1", None)], {"0": 80, "1": 80}, "0", id="one measured"),
        pytest.param([Placed("0", 9 * GB), Placed("1", 9 * GB)], {"0": 20, "1": 70}, "1", id="more room"),
        pytest.param([Placed("0", 9 * GB), Placed("1", 9 * GB)], {"0": 12, "1": 12}, None, id="no room"),
        pytest.param([Placed("0", 9 * GB), Placed("1", 9 * GB)], {}, None, id="nobody knows"),
        pytest.param(
            [Placed("0", 9 * GB), Placed("0", 30 * GB), Placed("1", None)],
            {"0": 35},
            None,
            id="largest counts",
        ),
    ],
)
def test_place(running: list[Placed], free: dict[str, int], gpu: str | None) -> None:
    found = choose_gpu(["0", "1"], running, lambda gpu: free[gpu] * GB if gpu in free else None)
    assert found == gpu


def test_without_gpus_there_is_no_place() -> None:
    assert choose_gpu([], [], lambda _: None) is None


def test_free_memory_is_what_the_drivers_tool_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tmp_path / "nvidia-smi"
    tool.write_text('#!/bin/sh\n[ "$1" = --id=3 ] && echo 81000 || exit 6\n')
    tool.chmod(tool.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert free_memory("3") == 81000 << 20
    assert free_memory("4") is None
    tool.unlink()
    monkeypatch.setenv("PATH", str(tmp_path))
    assert free_memory("3") is None
