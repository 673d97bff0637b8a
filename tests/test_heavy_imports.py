"""What a run imports while it waits for something else is all that is used of it later."""

from __future__ import annotations

import subprocess
import sys

import pytest

_SUSPECTS = """
from ftcore.audit.suspects import HEAVY, find_suspects

def use():
    draw = np.random.default_rng(0)
    inputs, targets = draw.normal(size=(100, 4)).astype("float32"), np.arange(100) % 2
    assert find_suspects(inputs, targets, np.ones(100, "float32"), np.arange(100), 2, 0) is not None
"""
_CHARTS = """
from ftcore.report.charts import HEAVY, confusion, curves
from ftcore.report.content import Curve

def use():
    assert confusion(["a", "b"], np.eye(2, dtype=int)).startswith("<svg")
    assert curves("loss", [Curve("train", [1, 2, 300], [1e-6, 3e-6, 2e-6])]).startswith("<svg")
"""
_COUNT = """
for name in HEAVY:
    importlib.import_module(name)
before = set(sys.modules)
use()
found = {name.split(".")[0] for name in set(sys.modules) - before if not name.startswith(SMALL)}
print(*found & {"sklearn", "cleanlab", "pandas", "matplotlib", "PIL", "fontTools", "mpl_toolkits"})
"""
#: Of matplotlib, what takes milliseconds.
_SMALL = ("matplotlib.figure", "matplotlib.colorbar", "matplotlib._blocking_input")


@pytest.mark.parametrize("use", [_SUSPECTS, _CHARTS])
def test_nothing_large_is_left_to_import(use: str) -> None:
    code = f"import importlib, sys\nimport numpy as np\nSMALL = {_SMALL}\n{use}{_COUNT}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []
