"""Azure ML's batch scoring: each file of a mini-batch is answered as `ftcore predict` answers it, a line a row."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

#: Exit codes with which there are answers; with the second one some rows have an error in place of theirs.
_ANSWERED = (0, 3)

_BUNDLES: list[Path] = []


def init() -> None:
    """Find the bundle of the model that was mounted."""
    root = Path(os.environ["AZUREML_MODEL_DIR"])
    _BUNDLES[:] = [file.parent for file in root.rglob("bundle.json")][:1]
    if not _BUNDLES:
        raise FileNotFoundError(f"no bundle in {root}")


def run(mini_batch: Sequence[str]) -> list[str]:
    """The answers to the rows of some files."""
    answers: list[str] = []
    for file in mini_batch:
        with TemporaryDirectory() as folder:
            output = Path(folder) / "answers.jsonl"
            command = [sys.executable, "-m", "ftcore", "predict", str(_BUNDLES[0]), "--input", str(file)]
            done = subprocess.run(
                [*command, "--output", str(output)], capture_output=True, text=True, check=False
            )
            if done.returncode not in _ANSWERED:
                raise RuntimeError(f"{file} cannot be answered: {done.stderr}")
            answers += output.read_text(encoding="utf-8").splitlines()
    return answers
