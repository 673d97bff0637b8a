"""Packaging targets in use, in virtual environments of their own: MLflow, the steps of the image. Needs pip's index."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from bundles import sentences

from ftcore.cli import main
from ftcore_runtime import Pipeline

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]
ROOT = Path(__file__).parents[2]


def shell(*command: str | Path, **named: object) -> str:
    done = subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, timeout=1500, **named
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    shell(sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    (found,) = folder.glob("*.whl")
    return found


SCORE = """
import json, sys
import mlflow.pyfunc, pandas
model = mlflow.pyfunc.load_model(sys.argv[1])
found = model.predict(pandas.DataFrame({"text": json.loads(sys.argv[2])}))
print(json.dumps([answer["label"] for answer in found]))
"""


def test_mlflow_loads_and_scores_the_model(tiny_bundle: Path, wheel: Path, tmp_path: Path) -> None:
    assert main(["package", "mlflow", str(tiny_bundle), "--output", str(tmp_path / "model")]) == 0
    shell(sys.executable, "-m", "venv", tmp_path / "venv")
    python = tmp_path / "venv/bin/python"
    shell(python, "-m", "pip", "install", "--quiet", "mlflow-skinny", "pandas", f"{wheel}[serve]")
    texts = sentences(6, seed=9)
    printed = shell(python, "-c", SCORE, tmp_path / "model", json.dumps(texts), cwd=tmp_path)
    expected = [answer.label for answer in Pipeline.load(tiny_bundle).predict(texts)]  # type: ignore[union-attr]
    assert json.loads(printed.splitlines()[-1]) == expected


def test_the_steps_of_the_image(tiny_bundle: Path, wheel: Path, tmp_path: Path) -> None:
    """What the Dockerfile runs, run here, with the image's folders under a temporary one."""
    image = tmp_path / "image"
    assert main(["package", "docker", str(tiny_bundle), "--output", str(image), "--wheel", str(wheel)]) == 0
    text = (image / "Dockerfile").read_text()
    (run,) = re.findall(r"^RUN (.*)$", text, re.MULTILINE)
    run = run.replace("/tmp/", f"{image}/").replace("/opt/ftcore", str(tmp_path / "opt"))  # itself under /tmp
    shell("bash", "-ec", run.replace("python -m venv", f"{sys.executable} -m venv"))
    installed = shell(tmp_path / "opt/bin/pip", "list")
    assert not re.search(r"^(torch|transformers|datasets) ", installed, re.MULTILINE)
    (command,) = re.findall(r"^CMD (.*)$", text, re.MULTILINE)
    arguments = [word.replace("/bundle", str(image / "bundle")) for word in json.loads(command)]
    arguments[arguments.index("--host") + 1] = "127.0.0.1"
    server = subprocess.Popen(
        [tmp_path / "opt/bin/ftcore", *arguments, "--port", "0"],
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"]},
    )
    assert server.stderr is not None
    try:
        url = ""
        for line in server.stderr:
            event = json.loads(line)
            url = event.get("url", url)
            if event["event"] == "ready":
                break
        assert urllib.request.urlopen(f"{url}/readyz", timeout=5).status == 200
        server.send_signal(signal.SIGTERM)
        assert server.wait(30) == 0
    finally:
        server.kill()
        server.wait()
        server.stderr.close()
