"""What must stay light stays light: modules that light commands leave alone, and how fast help is there."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "accelerate", "datasets", "numpy", "onnx", "onnxruntime", "onnxscript", "pandas", "peft", "pyarrow", "sklearn",
    "tokenizers", "torch", "transformers",
}  # fmt: skip
#: What looks into a base model's folder: weights' headers and tokenizer.
LOOKS_INTO_A_BASE = {"numpy", "tokenizers"}
#: What reads rows: pyarrow, and what it loads itself.
READS_ROWS = {"numpy", "pandas", "pyarrow"}
#: Arguments -> the heavy modules that they may load; others none.
ALLOWED = {
    "validate spec.yaml": LOOKS_INTO_A_BASE | READS_ROWS,
    "validate spec.yaml --set model.base=owner/name": READS_ROWS,
    "validate spec.yaml --no-data": LOOKS_INTO_A_BASE,
}


@pytest.mark.parametrize(
    "arguments",
    [
        None,
        ["--help"],
        ["run", "--help"],
        ["tasks"],
        ["plugins"],
        ["schema"],
        ["validate", "spec.yaml"],
        ["validate", "spec.yaml", "--set", "model.base=owner/name"],
        ["validate", "spec.yaml", "--no-data"],
        ["validate", "spec.yaml", "--no-data", "--set", "model.base=owner/name"],
        ["validate", "none.yaml"],
    ],
    ids=str,
)
def test_imports_nothing_heavy(arguments: list[str] | None, project: Path) -> None:
    call = (
        f"from ftcore.cli import main; main({arguments!r})" if arguments else "import ftcore, ftcore_runtime"
    )
    code = f"{call}\nimport json, sys\nsys.stdout.write(chr(10) + json.dumps(sorted(sys.modules)))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(json.loads(result.stdout.splitlines()[-1]))
    assert "ftcore" in loaded
    assert not loaded & (HEAVY - ALLOWED.get(" ".join(arguments or ()), set()))
    if arguments == ["--help"]:
        assert not loaded & {"pydantic", "ruamel.yaml", "rich"}


def test_help_is_there_at_once(project: Path) -> None:
    def seconds() -> float:
        """CPU time of the process: what else the machine does is no matter of ours."""
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "ftcore", "--help"], capture_output=True, check=True)
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        return end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime

    assert min(seconds() for _ in range(5)) < 0.25
