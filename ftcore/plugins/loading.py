"""Checks what a plugin's module brings against the contract, and says what is wrong with it if anything is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from difflib import get_close_matches
from types import ModuleType
from typing import TypeVar

import pluggy

from ftcore import hookspecs
from ftcore.errors import PluginError
from ftcore.family import Family
from ftcore.locate import find_module
from ftcore.plugins.importing import failure
from ftcore.spec.sections import Spec
from ftcore.task import LoadedTask, Observer, PluginInfo, Task
from ftcore_runtime.installed import installed

T = TypeVar("T")
_EVENT = "ftcore_event"
DECODERS = "ftcore.decoders"
_HOOKS = tuple(sorted(name for name in vars(hookspecs) if name.startswith("ftcore_")))


def load_task(info: PluginInfo, module: ModuleType, find_family: Callable[[str], Family]) -> LoadedTask:
    """The task of a plugin, checked.

    Args:
        module: the plugin's.
        find_family: the family of a name; raises PluginError where there is none.

    Raises:
        PluginError: it breaks the contract, or its family is not there.
    """
    manager = _hooks(info, module)
    try:
        task = manager.hook.ftcore_task()
    except Exception as error:
        raise failure(info, "fails in `ftcore_task`", error) from error
    _check_task(info, task, observes=_EVENT in _implemented(manager, module))
    return LoadedTask(
        info=info,
        task=task,
        family=_family_of(info, task, find_family),
        hooks=manager.hook,
        implemented=_implemented(manager, module),
    )


def load_observer(info: PluginInfo, module: ModuleType) -> Observer:
    """A plugin that sees the events of every run, checked.

    Raises:
        PluginError: it breaks the contract.
    """
    manager = _hooks(info, module)
    implemented = _implemented(manager, module)
    if implemented != (_EVENT,):
        others = ", ".join(f"`{name}`" for name in implemented if name != _EVENT)
        problem = f"its {others} is for the plugin of a task" if others else f"it has no hook `{_EVENT}`"
        raise PluginError(
            f"observer `{info.id}`: {problem}",
            where=str(info.path),
            hint=f"an observer implements `{_EVENT}` alone",
        )
    return Observer(
        info=info,
        implemented=implemented,
        see=lambda event, run: manager.hook.ftcore_event(event=event, run=run),
    )


def load_value(info: PluginInfo, module: ModuleType, of: type[T]) -> T:
    """The family or source that a plugin is, checked.

    Raises:
        PluginError: the module has no such attribute, or it is something else, or of another name.
    """
    what, attribute = f"{info.kind} `{info.id}`", info.attribute or ""
    value = getattr(module, attribute, None)
    if not isinstance(value, of):
        found = (
            f"`{attribute}` is {type(value).__name__}"
            if hasattr(module, attribute)
            else f"there is no `{attribute}`"
        )
        raise PluginError(
            f"{what}: {found}, not a {of.__name__}",
            where=str(info.path),
            hint=f"the entry point is `module:NAME`, where NAME is a {of.__name__}",
        )
    if (name := getattr(value, "name", info.id)) != info.id:
        raise PluginError(f"{what}: it calls itself `{name}`; give both one name", where=str(info.path))
    return value


def check_references(family: Family, info: PluginInfo) -> None:
    """Whether the modules of a family's parts, and its decoder, are there; only the spec is imported.

    Raises:
        PluginError: one is not.
    """
    family.part("spec")
    for part, reference in family.references.items():
        module, _, attribute = reference.partition(":")
        if not attribute or (module not in sys.modules and find_module(module) is None):
            raise PluginError(
                f"family `{info.id}`: its {part} is not there: `{reference}`",
                where=str(info.path),
                hint="a part of a family is written `module:Class`",
            )
    if family.decoder not in {entry.name for entry in installed(DECODERS)}:
        raise PluginError(
            f"family `{info.id}`: no installed distribution has its decoder `{family.decoder}`",
            where=str(info.path),
            hint=f"name an entry point of the group `{DECODERS}`",
        )


def _hooks(info: PluginInfo, module: ModuleType) -> pluggy.PluginManager:
    """The hooks that a module implements, ready to be called."""
    manager = pluggy.PluginManager("ftcore")
    manager.add_hookspecs(hookspecs)
    _check_hook_names(info, module, manager)
    try:
        manager.register(module, name=info.id)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"plugin `{info.id}`: {error}", where=str(info.path), hint=_signatures()) from error
    return manager


def _implemented(manager: pluggy.PluginManager, module: ModuleType) -> tuple[str, ...]:
    return tuple(sorted(caller.name for caller in manager.get_hookcallers(module) or ()))


def _family_of(info: PluginInfo, task: Task, find_family: Callable[[str], Family]) -> Family:
    family = find_family(task.family)
    if not issubclass(task.spec, family.part("spec")):
        raise PluginError(
            f"plugin `{info.id}`: its spec says the family `{family.name}`, and is no subclass of `{family.spec}`",
            where=str(info.path),
        )
    return family


def _check_hook_names(info: PluginInfo, module: ModuleType, manager: pluggy.PluginManager) -> None:
    for name, value in vars(module).items():
        options = manager.parse_hookimpl_opts(module, name)
        hook = (options["specname"] if options else None) or name
        if options is None and not (name.startswith("ftcore_") and callable(value)):
            continue
        if hook not in _HOOKS:
            near = get_close_matches(hook, _HOOKS, n=1)
            hint = f"did you mean `{near[0]}`?" if near else f"the hooks are {', '.join(_HOOKS)}"
            raise PluginError(
                f"plugin `{info.id}`: there is no hook `{hook}`", where=str(info.path), hint=hint
            )
        if options is None:
            raise PluginError(f"plugin `{info.id}`: `{name}` is not marked `@hookimpl`", where=str(info.path))


def _check_task(info: PluginInfo, task: object, *, observes: bool) -> None:
    problem = hint = None
    if task is None:
        problem = "no hook `ftcore_task`, which says what the task is"
        hint = "a module that only observes belongs in the group `ftcore.observers`" if observes else None
    elif not isinstance(task, Task):
        problem = f"`ftcore_task` returns {type(task).__name__}, not a Task"
    elif not (isinstance(task.spec, type) and issubclass(task.spec, Spec) and hasattr(task.spec, "family")):
        problem = "the task's `spec` is not a subclass of a family's spec"
    elif task.id != info.id:
        problem = f"its task says it is `{task.id}`; a task's id is its plugin's name"
    if problem:
        raise PluginError(f"plugin `{info.id}`: {problem}", where=str(info.path), hint=hint)


def _signatures() -> str:
    import inspect

    return "the hooks are " + ", ".join(
        f"{name}({', '.join(inspect.signature(getattr(hookspecs, name)).parameters)})" for name in _HOOKS
    )
