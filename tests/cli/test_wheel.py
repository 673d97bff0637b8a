"""The wheel: whole, and usable in an environment that has only what it asks for; no checkout in sight."""

from __future__ import annotations

import subprocess
import sys
import venv
from pathlib import Path

import pytest
from shipped_tasks import SHIPPED

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `bin` of an environment into which the wheel was installed with its base dependencies alone."""
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    subprocess.run(
        [*pip, "wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(ROOT)],
        check=True,
    )
    (wheel,) = folder.glob("ftcore-*.whl")
    venv.create(folder / "env")  # this environment's pip fills it: one of its own takes seconds to install
    python = folder / "env" / "bin" / "python"
    subprocess.run([*pip, "--python", str(python), "install", "--no-compile", str(wheel)], check=True)
    return python.parent


def ask(bare: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(bare / "ftcore"), *arguments],
        capture_output=True,
        text=True,
        cwd=folder,
        env={"PATH": str(bare)},
    )


def test_the_wheel_brings_tasks_files_and_schemas(bare: Path, tmp_path: Path) -> None:
    listed = ask(bare, tmp_path, "tasks")
    assert listed.returncode == 0, listed.stderr
    for task in SHIPPED:
        assert task in listed.stdout
    schema = ask(bare, tmp_path, "schema", "sentiment")
    assert schema.returncode == 0, schema.stderr
    assert '"learning_rate"' in schema.stdout


def test_what_needs_an_extra_says_which(bare: Path, tmp_path: Path) -> None:
    refused = ask(bare, tmp_path, "run", "sentiment")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert "pip install 'ftcore[" in refused.stderr


def test_the_runtime_and_the_server_are_in_the_wheel(bare: Path, tmp_path: Path) -> None:
    code = "import ftcore_runtime, ftcore_server, ftcore_export, importlib.resources as r\n"
    code += "assert (r.files('ftcore_server') / 'page.html').is_file()"
    done = subprocess.run(
        [str(bare / "python"), "-I", "-c", code], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
