"""`ftcore predict --engine ray`: the lines of the plain engine, in parts, and on from where a kill left it."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from bundles import sentences

from ftcore.cli import main

needs_ray = pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="ray is not installed")
ROWS = 1500


def command(bundle: Path, rows: Path | str, output: Path | str, *more: str) -> list[str]:
    engine = ["--engine", "ray", "--output", str(output), *more]
    return [sys.executable, "-m", "ftcore", "predict", str(bundle), "--input", str(rows), *engine]


def written(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(folder.glob("part-*.jsonl")))


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("rows") / "rows.jsonl"
    texts = sentences(ROWS, seed=4)
    texts[700] = " "
    file.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
    return file


@needs_ray
def test_a_killed_run_goes_on_and_says_what_the_plain_engine_says(
    tiny_bundle: Path, rows: Path, tmp_path: Path
) -> None:
    plain = tmp_path / "plain.jsonl"
    assert main(["predict", str(tiny_bundle), "--input", str(rows), "--output", str(plain)]) == 3
    output = tmp_path / "out"
    killed = subprocess.Popen(
        command(tiny_bundle, rows, output, "--workers", "1"),
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    end = time.monotonic() + 200
    while not list(output.glob("part-*.jsonl")) and killed.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    os.killpg(killed.pid, signal.SIGKILL)
    killed.wait()
    first = {path: path.stat().st_mtime_ns for path in output.glob("part-*.jsonl")}
    assert first
    done = subprocess.run(
        command(tiny_bundle, rows, output, "--workers", "2"), capture_output=True, text=True, check=False
    )
    assert done.returncode == 3, done.stderr
    assert done.stderr.splitlines()[-2:] == [
        f"{rows}:701: the text is empty",
        f"{ROWS - 1} rows answered, 1 could not be",
    ]
    assert {path: path.stat().st_mtime_ns for path in first} == first, "what was there is left alone"
    ours = [json.loads(line) for line in written(output).splitlines()]
    theirs = [json.loads(line) for line in plain.read_text().splitlines()]
    assert [set(line) for line in ours] == [set(line) for line in theirs]
    assert [(line["row"], line.get("label")) for line in ours] == [
        (line["row"], line.get("label")) for line in theirs
    ]
    assert [line["score"] for line in ours if "score" in line] == pytest.approx(
        [line["score"] for line in theirs if "score" in line], abs=1e-5
    )


def test_without_ray_it_says_what_to_install(
    tiny_bundle: Path,
    rows: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "ftcore_server.offline.ray_engine", raising=False)
    assert main(command(tiny_bundle, rows, tmp_path / "out")[3:]) == 2
    said = capsys.readouterr().err
    assert "the package `ray`" in said
    assert "pip install 'ftcore[ray]'" in said
    assert not (tmp_path / "out").exists()
