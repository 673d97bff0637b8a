"""Reading rows needs neither torch nor transformers nor onnxruntime."""

from __future__ import annotations

import subprocess
import sys

CODE = """
import pkgutil, sys
import ftcore.data
for module in pkgutil.walk_packages(ftcore.data.__path__, "ftcore.data."):
    __import__(module.name)
from ftcore.plugins import PluginRegistry
from ftcore.families.bound import BoundFamily
registry = PluginRegistry.discover()
names = [info.id for info in registry.infos("family")]
for name in names:
    registry.family(name).part("reader")
    registry.family(name).part("scoring")
print(*names)
print(*sorted({"torch", "transformers", "onnxruntime", "datasets"} & set(sys.modules)))
"""


def test_no_module_of_data_and_no_reader_loads_torch() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    names, heavy = done.stdout.split("\n")[:2]
    assert {"sequence_classification", "span_extraction", "text_generation", "token_classification"} <= set(
        names.split()
    )
    assert heavy == ""
