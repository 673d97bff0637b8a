"""Imports one plugin, checks it against the contract, and says what is wrong with it if anything is."""

from __future__ import annotations

import sys
import traceback
from difflib import get_close_matches
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

import pluggy

from ftcore import __version__, hookspecs
from ftcore.errors import PluginError
from ftcore.spec.sections import Spec
from ftcore.task import LoadedTask, PluginInfo, Task

_HOOKS = tuple(sorted(name for name in vars(hookspecs) if name.startswith("ftcore_")))


def load_plugin(info: PluginInfo) -> LoadedTask:
    """Import a plugin and check it.

    Raises:
        PluginError: it cannot be imported, is written for another API version, or breaks the contract.
    """
    _check_api_version(info, info.api_version)
    module = _import(info)
    _check_api_version(info, getattr(module, "ftcore_api_version", info.api_version))
    manager = pluggy.PluginManager("ftcore")
    manager.add_hookspecs(hookspecs)
    _check_hook_names(info, module, manager)
    try:
        manager.register(module, name=info.id)
        manager.check_pending()
    except pluggy.PluginValidationError as error:
        raise PluginError(f"plugin `{info.id}`: {error}", where=str(info.path), hint=_signatures()) from error
    try:
        task = manager.hook.ftcore_task()
    except Exception as error:
        raise _failure(info, "fails in `ftcore_task`", error) from error
    _check_task(info, task)
    implemented = sorted(caller.name for caller in manager.get_hookcallers(module) or ())
    return LoadedTask(info=info, task=task, hooks=manager.hook, implemented=tuple(implemented))


def _import(info: PluginInfo) -> ModuleType:
    try:
        if info.origin != "drop-in":
            return import_module(info.module)
        spec = spec_from_file_location(info.module, info.path)
        assert spec is not None
        assert spec.loader is not None
        module = module_from_spec(spec)
        # Dataclasses and annotations of the module look it up here while it runs.
        sys.modules[info.module] = module
        try:
            spec.loader.exec_module(module)
        except BaseException:
            del sys.modules[info.module]
            raise
        return module
    except (Exception, SystemExit) as error:
        raise _failure(info, "cannot be imported", error) from error


def _failure(info: PluginInfo, what: str, error: BaseException) -> PluginError:
    """The error of a plugin's code, at the last line of the plugin itself that led to it."""
    line: int | None = None
    for frame, number in traceback.walk_tb(error.__traceback__):
        if info.path and frame.f_code.co_filename == str(info.path):
            line = number
    if isinstance(error, SyntaxError) and error.filename == str(info.path):
        line = error.lineno
    hint = None
    if isinstance(error, ModuleNotFoundError) and error.name:
        hint = f"install what it needs: `{error.name}`"
    text = f"plugin `{info.id}` {what}: {type(error).__name__}: {error}"
    return PluginError(text, where=f"{info.path}:{line}" if line else str(info.path), hint=hint)


def _check_api_version(info: PluginInfo, wanted: object) -> None:
    ours = hookspecs.API_VERSION
    if wanted != ours:
        raise PluginError(
            f"plugin `{info.id}` is written for plugin API {wanted}; ftcore {__version__} has API {ours}",
            where=str(info.path),
            hint=f"install a version of the plugin for API {ours}, or an ftcore that has API {wanted}",
        )


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


def _check_task(info: PluginInfo, task: object) -> None:
    problem = None
    if task is None:
        problem = "no hook `ftcore_task`, which says what the task is"
    elif not isinstance(task, Task):
        problem = f"`ftcore_task` returns {type(task).__name__}, not a Task"
    elif not (isinstance(task.spec, type) and issubclass(task.spec, Spec) and hasattr(task.spec, "family")):
        problem = "the task's `spec` is not a subclass of a family's spec"
    elif task.id != info.id:
        problem = f"its task says it is `{task.id}`; a task's id is its plugin's name"
    if problem:
        raise PluginError(f"plugin `{info.id}`: {problem}", where=str(info.path))


def _signatures() -> str:
    import inspect

    return "the hooks are " + ", ".join(
        f"{name}({', '.join(inspect.signature(getattr(hookspecs, name)).parameters)})" for name in _HOOKS
    )
