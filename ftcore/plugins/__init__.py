"""Task plugins: found without importing them; one is loaded when its task is asked for.

Three ways in, one contract (`ftcore.hookspecs`): with ftcore, with another distribution (both by entry points
of the group `ftcore.tasks`), or as a file `plugins/<task_id>.py` of the project. Plugins are trusted code:
loading one runs it. The allowlist says which may be loaded at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path

from ftcore.errors import PluginError, UserError
from ftcore.plugins.discovery import find_plugins
from ftcore.plugins.loading import load_plugin
from ftcore.task import LoadedTask, PluginInfo
from ftcore_runtime.installed import allowlist

__all__ = ["LoadedTask", "PluginInfo", "PluginRegistry"]


class PluginRegistry:
    """The plugins of this environment and project. Making one imports none of them."""

    def __init__(self, found: Sequence[PluginInfo]) -> None:
        self._found = list(found)
        self._loaded: dict[str, LoadedTask] = {}

    @classmethod
    def discover(
        cls, plugins_dir: Path | None = None, cwd: Path | None = None, allow: Sequence[str] | None = None
    ) -> PluginRegistry:
        """Look for plugins.

        Args:
            plugins_dir: the folder of drop-ins; `plugins/` of the project if not given.
            cwd: the project's folder; the working directory if not given.
            allow: task ids and distribution names that may be loaded. If not given, the environment
                variable FTCORE_PLUGINS says them (separated by commas), else `plugins` in `[tool.ftcore]` of
                the project's pyproject.toml. Without any of these, all may.

        Raises:
            UserError: `plugins_dir` is not a folder, or pyproject.toml cannot be read.
        """
        project = cwd or Path.cwd()
        if plugins_dir is not None and not plugins_dir.is_dir():
            raise UserError(f"no such folder: `{plugins_dir}`", where="--plugins-dir")
        allowed = allowlist(project) if allow is None else frozenset(allow)
        return cls(find_plugins(plugins_dir or project / "plugins", allowed))

    def infos(self) -> list[PluginInfo]:
        """Every plugin found, by id; both of two with one id are there."""
        return sorted(self._found, key=lambda info: (info.id, info.origin))

    def load(self, task_id: str) -> LoadedTask:
        """Import the plugin of a task, and nothing of any other.

        Raises:
            PluginError: there is none, it may not or cannot be loaded, or it breaks the contract.
        """
        if task_id not in self._loaded:
            self._loaded[task_id] = load_plugin(self._find(task_id))
        return self._loaded[task_id]

    def _find(self, task_id: str) -> PluginInfo:
        # Of one in the allowlist and one outside it, the former is meant.
        candidates = sorted(
            (info for info in self._found if info.id == task_id),
            key=lambda info: info.status == "not allowed",
        )
        if not candidates:
            ids = sorted({info.id for info in self._found})
            near = get_close_matches(task_id, ids, n=1)
            hint = (
                f"did you mean `{near[0]}`?" if near else f"the tasks are {', '.join(ids)}" if ids else None
            )
            raise PluginError(f"unknown task `{task_id}`", hint=hint)
        if candidates[0].status != "available":
            raise PluginError(f"plugin `{task_id}` ({candidates[0].status}): {candidates[0].problem}")
        return candidates[0]
