"""Ctrl-C ends a command at once, although a graph that never ends is at work in native code."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from heavy_graphs import heavy_bundle

BEGUN = 3.0  # seconds of CPU after which a command has imported and loaded everything


@pytest.fixture(autouse=True)
def _sigint_is_heard() -> None:
    """A suite in the background of a script was started with SIGINT ignored, which its children would inherit."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def interrupted(*arguments: str | Path) -> tuple[int, str]:
    """Exit code and standard error of a command that gets SIGINT while a graph runs."""
    command = [sys.executable, "-m", "ftcore", *map(str, arguments)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True) as running:
        seen = psutil.Process(running.pid)
        while sum(seen.cpu_times()[:2]) < BEGUN:
            assert running.poll() is None, running.stderr.read() if running.stderr else ""
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        try:
            code = running.wait(10)
        finally:
            running.kill()
        return code, running.stderr.read() if running.stderr else ""


@pytest.mark.parametrize("kind", ["answering", "loading"])
def test_predict(tiny_bundle: Path, tmp_path: Path, kind: str) -> None:
    heavy = heavy_bundle(tiny_bundle, tmp_path / "heavy", kind)
    rows = tmp_path / "rows.txt"
    rows.write_text("good food\nbad food\n")
    code, printed = interrupted("predict", heavy, "--input", rows, "--output", tmp_path / "out.jsonl")
    if kind == "answering":
        assert (code, printed) == (130, "error: interrupted\n")
    else:  # ended by the signal itself, which a shell shows as 130
        assert (code, printed) == (-signal.SIGINT, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["heavy", "rows.txt"], "nothing is left behind"


def test_selftest(tiny_bundle: Path, tmp_path: Path) -> None:
    heavy = heavy_bundle(tiny_bundle, tmp_path / "heavy", "answering")
    assert interrupted("bundle", "selftest", heavy) == (-signal.SIGINT, "")
