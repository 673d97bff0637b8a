"""What a plugin says of its task, where a plugin came from, and what is made of it once it is loaded."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import pluggy

    from ftcore.family import Family
    from ftcore.spec.sections import Spec


#: What plugins bring.
Kind = Literal["task", "family", "observer", "source", "decoder"]


@dataclass(frozen=True, kw_only=True)
class Task:
    """A task as a user names it.

    Args:
        id: the name in `task:` of a spec; lower-case letters, digits and underscores.
        summary: one line for `ftcore tasks`.
        spec: the spec model; a subclass of a family's spec, which also says the family.
        metric: the metric that picks the best checkpoint unless the spec says otherwise; the family's
            own choice if not given.
    """

    id: str
    summary: str
    spec: type[Spec]
    metric: str | None = None

    @property
    def family(self) -> str:
        """The family's name."""
        return self.spec.family


@dataclass(frozen=True, kw_only=True)
class PluginInfo:
    """A plugin as it was found, before anything of it is imported.

    Args:
        id: its name among those of its kind; a task's id, a family's name.
        kind: what it brings.
        origin: with ftcore itself, with another distribution, or a file of the project.
        module: the module's dotted name; of a drop-in, the name it gets.
        attribute: what of the module is the plugin; None where the module is.
        path: the module's file; None when it cannot be found.
        dist: the distribution's name, and `version` its version; None for a drop-in.
        api_version: the version of the contract that the module says it is written for; 1 if it does not say.
        summary: the first line of the module's docstring.
        status: whether it may be loaded, as far as is known without importing it.
        problem: why it may not, or cannot, be loaded.
    """

    id: str
    origin: Literal["shipped", "installed", "drop-in"]
    module: str
    path: Path | None
    kind: Kind = "task"
    attribute: str | None = None
    dist: str | None = None
    version: str | None = None
    api_version: int = 1
    summary: str = ""
    status: Literal["available", "missing", "conflict", "not allowed"] = "available"
    problem: str | None = None

    @property
    def provider(self) -> str:
        """Who brings it, for messages."""
        return f"{self.dist} {self.version}" if self.dist else str(self.path)

    def as_json(self) -> dict[str, Any]:
        """The plugin for tools."""
        return {
            "id": self.id,
            "kind": self.kind,
            "origin": self.origin,
            "dist": self.dist,
            "version": self.version,
            "module": self.module,
            "path": str(self.path) if self.path else None,
            "summary": self.summary,
            "status": self.status,
            "problem": self.problem,
        }


@dataclass(frozen=True, kw_only=True)
class LoadedTask:
    """A task whose plugin has been imported and checked.

    Args:
        info: the plugin.
        task: what it says of its task.
        family: the task's family.
        hooks: calls the plugin's hooks (`ftcore.hookspecs`), by keyword: `hooks.ftcore_event(event=...)`.
        implemented: the names of the hooks it implements, sorted.
    """

    info: PluginInfo
    task: Task
    family: Family
    hooks: pluggy.HookRelay
    implemented: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Observer:
    """A plugin that sees the events of every run.

    Args:
        info: the plugin.
        see: called with every event and the folder of its run.
        implemented: the names of the hooks it implements.
    """

    info: PluginInfo
    implemented: tuple[str, ...]
    see: Callable[[Mapping[str, Any], Path], object]
