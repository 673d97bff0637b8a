"""docs/reference/plugins.md has every public name and an example that works; the tests have a plugin for every hook."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from ftcore import api, hookspecs
from ftcore.plugins import PluginRegistry

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "plugins.md").read_text(encoding="utf-8")
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("ftcore_"))


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_used_by_a_plugin_in_the_tests(name: str) -> None:
    used = [
        path
        for path in Path(__file__).parents[1].rglob("*.py")
        if f"def {name}(" in path.read_text(encoding="utf-8")
    ]
    assert used


@pytest.mark.parametrize("name", api.__all__)
def test_public_name_is_documented(name: str) -> None:
    assert f"`{name}`" in PAGE


def test_public_surface_is_whole_and_light() -> None:
    assert len(set(api.__all__)) == len(api.__all__)
    assert all(hasattr(api, name) for name in api.__all__)
    code = "import sys, ftcore.api; print(*sorted({'numpy', 'pyarrow', 'torch'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_examples_of_the_page_work(project: Path) -> None:
    examples = dict(re.findall(r"```python\n# plugins/(\w+)\.py\n(.*?)```", PAGE, flags=re.DOTALL))
    (project / "plugins").mkdir()
    for name, text in examples.items():
        (project / "plugins" / f"{name}.py").write_text(text)
    assert len(examples["topics"].splitlines()) <= 40
    assert len(examples["tracker"].splitlines()) <= 15
    registry = PluginRegistry.discover()
    assert registry.load("topics").task.id == "topics"
    (observer,), problems = registry.observers()
    assert problems == []
    observer.see({"event": "evaluated", "time": "now", "metrics": {"f1": 0.5}}, project)
    assert (project / "metrics.log").read_text() == "now {'f1': 0.5}\n"
