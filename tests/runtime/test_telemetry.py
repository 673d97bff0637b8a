"""onnxruntime's telemetry is off: it neither sends events nor keeps them to be sent."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

_ANSWER = "import sys; from ftcore_runtime import Pipeline; print(Pipeline.load(sys.argv[1]).predict(['a b'])[0].label)"
_EXPORT = "import ftcore_export.variants, onnxruntime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"


@pytest.mark.parametrize("code", [_ANSWER, _EXPORT])
def test_onnxruntime_neither_sends_nor_keeps_events(tiny_bundle: Path, tmp_path: Path, code: str) -> None:
    environment = {
        k: v for k, v in os.environ.items() if k not in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME")
    }
    home = tmp_path / "home"
    home.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tiny_bundle)],
        env=environment | {"HOME": str(home)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip()
    assert [file for file in home.rglob("*") if file.is_file()] == []


def test_whoever_wants_to_send_them_may() -> None:
    code = "import ftcore_runtime, os; print(os.environ['ORT_DISABLE_TELEMETRY'])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"ORT_DISABLE_TELEMETRY": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "0"
