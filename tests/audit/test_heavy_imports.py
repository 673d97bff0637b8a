"""What a run imports while the base model reads is what looks for wrong labels, and no more is left to import then."""

from __future__ import annotations

import subprocess
import sys

_CODE = """
import importlib, sys
import numpy as np
from ftcore.audit.suspects import HEAVY, find_suspects

for name in HEAVY:
    importlib.import_module(name)
before = set(sys.modules)
draw = np.random.default_rng(0)
inputs, targets = draw.normal(size=(100, 4)).astype("float32"), np.arange(100) % 2
found = find_suspects(inputs, targets, np.ones(100, "float32"), np.arange(100), 2, 0)
assert found is not None
print(len([name for name in set(sys.modules) - before if name.startswith(("sklearn", "cleanlab", "pandas"))]))
"""


def test_nothing_large_is_imported_after_the_base_model_has_read() -> None:
    done = subprocess.run([sys.executable, "-c", _CODE], capture_output=True, text=True, check=True)
    assert int(done.stdout) == 0
