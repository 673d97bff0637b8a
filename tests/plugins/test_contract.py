"""docs/reference/plugins.md has the whole contract: every hook with its signature, and an example that works."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from ftcore import api, hookspecs
from ftcore.plugins import PluginRegistry

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "plugins.md").read_text(encoding="utf-8")
HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("ftcore_"))


@pytest.mark.parametrize("name", HOOKS)
def test_hook_is_documented_with_its_signature(name: str) -> None:
    signature = str(inspect.signature(getattr(hookspecs, name))).replace("'", "")
    assert f"{name}{signature}" in PAGE


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


def test_public_surface_is_sorted_and_whole() -> None:
    assert sorted(api.__all__) == api.__all__
    assert all(hasattr(api, name) for name in api.__all__)


def test_example_of_the_page_works(project: Path) -> None:
    (example,) = re.findall(r"```python\n# plugins/(\w+)\.py\n(.*?)```", PAGE, flags=re.DOTALL)
    (project / "plugins").mkdir()
    (project / "plugins" / f"{example[0]}.py").write_text(example[1])
    assert len(example[1].splitlines()) <= 40
    assert PluginRegistry.discover().load(example[0]).task.id == example[0]
