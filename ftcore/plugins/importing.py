"""Imports the module of a plugin, and says at which line it fails if it does."""

from __future__ import annotations

import sys
import traceback
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from types import ModuleType

from ftcore import __version__, hookspecs
from ftcore.errors import PluginError
from ftcore.task import PluginInfo


def import_plugin(info: PluginInfo) -> ModuleType:
    """The module of a plugin.

    Raises:
        PluginError: it cannot be imported, or is written for another API version.
    """
    _check_api_version(info, info.api_version)
    module = _import(info)
    _check_api_version(info, getattr(module, "ftcore_api_version", info.api_version))
    return module


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
        raise failure(info, "cannot be imported", error) from error


def failure(info: PluginInfo, what: str, error: BaseException) -> PluginError:
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
        if info.kind == "observer" and info.origin == "shipped":  # each has an extra of its name
            hint = f"pip install 'ftcore[{info.id}]'"
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
