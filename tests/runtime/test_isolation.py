"""The runtime stands alone: with everything above it barred from import, it still answers."""

import subprocess
import sys
from pathlib import Path

BARRED = """
import sys

class Barred:
    names = {"torch", "transformers", "datasets", "sklearn", "onnx", "onnxscript", "pydantic", "ftcore"}

    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in self.names or name.startswith("ftcore_export"):
            raise ImportError(f"barred: {name}")

sys.meta_path.insert(0, Barred())
"""

USE = """
import pkgutil
from importlib import import_module

import ftcore_runtime
assert "numpy" not in sys.modules, "import ftcore_runtime is light"

from ftcore_runtime import Pipeline
import ftcore_runtime
for module in pkgutil.walk_packages(ftcore_runtime.__path__, "ftcore_runtime."):
    import_module(module.name)

pipeline = Pipeline.load(sys.argv[1])
assert pipeline.selftest() == 4
print(pipeline.predict(["good food"])[0].label)
assert not Barred.names & {name.partition(".")[0] for name in sys.modules}
"""


def python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


def test_the_runtime_needs_nothing_above_it(tiny_bundle: Path) -> None:
    done = python(BARRED + USE, str(tiny_bundle))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() in ("negative", "neutral", "positive")


def test_to_load_and_answer_takes_nothing_that_few_need(tiny_bundle: Path) -> None:
    use = "import sys; from ftcore_runtime import Pipeline; Pipeline.load(sys.argv[1]).predict(['good food'])"
    done = python(
        f"{use}; print(sorted({{'importlib.metadata', 'regex'}} & {{*sys.modules}}))", str(tiny_bundle)
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_the_bar_holds() -> None:
    assert "barred: torch" in python(BARRED + "import torch").stderr
