"""Plugins: tasks, families, observers and sources, found without importing them and loaded when they are needed.

Three ways in, one contract (`ftcore.hookspecs`, `ftcore.family`): with ftcore, with another distribution
(both by entry points), or as a file `plugins/<id>.py` of the project. Plugins are trusted code: loading one runs it.
One allowlist says which may be loaded at all, whatever their kind.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import TypeVar

from ftcore.errors import PluginError, UserError
from ftcore.family import Family
from ftcore.plugins.discovery import find_plugins
from ftcore.plugins.importing import import_plugin
from ftcore.plugins.loading import check_references, load_observer, load_task, load_value
from ftcore.task import Kind, LoadedTask, Observer, PluginInfo
from ftcore_runtime.installed import allowlist, configured

__all__ = ["KINDS", "LoadedTask", "Observer", "PluginInfo", "PluginRegistry"]

T = TypeVar("T")
_PLURALS: dict[Kind, str] = {
    "task": "tasks",
    "family": "families",
    "observer": "observers",
    "source": "sources",
    "decoder": "decoders",
}
KINDS = tuple(_PLURALS)


class PluginRegistry:
    """The plugins of this environment and project. Making one imports none of them."""

    def __init__(self, found: Sequence[PluginInfo]) -> None:
        self._found = list(found)
        self._tasks: dict[str, LoadedTask] = {}
        self._modules: dict[str, ModuleType] = {}

    @classmethod
    def discover(
        cls, plugins_dir: Path | None = None, cwd: Path | None = None, allow: Sequence[str] | None = None
    ) -> PluginRegistry:
        """Look for plugins.

        Args:
            plugins_dir: the folder of drop-ins; `plugins/` of the project if not given.
            cwd: the project's folder; the working directory if not given.
            allow: ids and distribution names that may be loaded. If not given, the environment
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

    def infos(self, kind: Kind | None = "task") -> list[PluginInfo]:
        """The plugins of a kind (of every kind if None) by kind and id; both of two with one id are there."""
        found = [info for info in self._found if kind is None or info.kind == kind]
        return sorted(found, key=lambda info: (KINDS.index(info.kind), info.id, info.origin))

    def load(self, task_id: str) -> LoadedTask:
        """Import the plugin of a task and name its family, and import nothing of any other.

        Raises:
            PluginError: there is none, it may not or cannot be loaded, it breaks the contract, or its family does.
        """
        if task_id not in self._tasks:
            info = self._find("task", task_id)
            self._tasks[task_id] = load_task(info, self._module(info), self.family)
        return self._tasks[task_id]

    def family(self, name: str) -> Family:
        """The family of a name; of its parts only the spec is imported, the others are found.

        Raises:
            PluginError: as for `load`.
        """
        info = self._find("family", name)
        family = load_value(info, self._module(info), Family)
        check_references(family, info)
        return family

    def source(self, name: str, of: type[T]) -> T:
        """The format of a name, an `of`.

        Raises:
            PluginError: as for `load`.
        """
        info = self._find("source", name)
        return load_value(info, self._module(info), of)

    def chosen_observers(self, names: Sequence[str], project: Path | None = None) -> list[str]:
        """The observers that are asked for by name: these, and `observers` in `[tool.ftcore]` of the project.

        Args:
            project: its folder; the working directory if not given.

        Raises:
            PluginError: there is none of a name, or it cannot be loaded.
            UserError: pyproject.toml cannot be read.
        """
        chosen = list(dict.fromkeys([*names, *(configured(project or Path.cwd(), "observers") or ())]))
        for name in chosen:
            self.observer(self._find("observer", name))
        return chosen

    def observers(self, chosen: Collection[str] = ()) -> tuple[list[Observer], list[PluginError]]:
        """The observers of a run, and what is wrong with those that cannot be loaded.

        Args:
            chosen: ids of those that ftcore ships and that are wanted; all others are always loaded.
        """
        loaded, problems = [], []
        for info in self.infos("observer"):
            if info.status == "not allowed" or (info.origin == "shipped" and info.id not in chosen):
                continue
            try:
                loaded.append(self.observer(info))
            except PluginError as error:
                problems.append(error)
        return loaded, problems

    def observer(self, info: PluginInfo) -> Observer:
        """One observer.

        Raises:
            PluginError: it cannot be loaded, or breaks the contract.
        """
        _require_available(info)
        return load_observer(info, self._module(info))

    def try_to_load(self, info: PluginInfo) -> tuple[str, ...]:
        """Load a plugin of any kind, to see whether it works; of a family no part that needs torch is imported.

        Returns:
            the hooks that it implements.

        Raises:
            PluginError: it does not work.
        """
        if info.kind == "task":
            return self.load(info.id).implemented
        if info.kind == "observer" and info.origin != "shipped":
            return self.observer(info).implemented
        _require_available(info)
        if info.kind == "family":
            self.family(info.id)
        elif info.origin != "shipped":  # those of ftcore itself work wherever their extra is installed
            load_value(info, self._module(info), object)
        return ()

    def _module(self, info: PluginInfo) -> ModuleType:
        """The module of a plugin, imported once: a drop-in may bring a task and its family."""
        if info.module not in self._modules:
            self._modules[info.module] = import_plugin(info)
        return self._modules[info.module]

    def _find(self, kind: Kind, name: str) -> PluginInfo:
        # Of one in the allowlist and one outside it, the former is meant.
        candidates = sorted(
            (info for info in self.infos(kind) if info.id == name),
            key=lambda info: info.status == "not allowed",
        )
        if not candidates:
            names = sorted({info.id for info in self.infos(kind)})
            near = get_close_matches(name, names, n=1)
            hint = f"the {_PLURALS[kind]} are {', '.join(names)}" if names else None
            raise PluginError(f"unknown {kind} `{name}`", hint=f"did you mean `{near[0]}`?" if near else hint)
        _require_available(candidates[0])
        return candidates[0]


def _require_available(info: PluginInfo) -> None:
    if info.status != "available":
        what = "plugin" if info.kind == "task" else info.kind
        raise PluginError(f"{what} `{info.id}` ({info.status}): {info.problem}")
