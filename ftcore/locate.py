"""Finds the files a spec names: relative to its folder, or inside an installed package (`package:`)."""

from __future__ import annotations

import re
from difflib import get_close_matches
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from pathlib import Path, PurePosixPath

from ftcore.errors import UserError
from ftcore_runtime.installed import normal

PREFIX = "package:"
#: What a base model begins with when it can only be a path, not a Hub id.
PATH_STARTS = (PREFIX, "./", "../", "/", "~")


def is_local(ref: str, base_dir: Path) -> bool:
    """Whether `ref` names something on this machine rather than on the Hub."""
    return ref.startswith(PATH_STARTS) or (base_dir / ref).is_dir()


def locate(ref: str, base_dir: Path) -> Path:
    """The existing file or folder that `ref` names.

    Args:
        ref: a path (absolute, from `~`, or relative to `base_dir`), or `package:<module>/<path>`.
        base_dir: the spec's own folder.

    Raises:
        UserError: there is no such file, or the package is missing, or the path leaves the package.
    """
    if ref.startswith(PREFIX):
        return _in_package(ref)
    try:
        path = base_dir / Path(ref).expanduser()
        if path.exists():
            return path
        lost = leads_nowhere(path)
    except (OSError, ValueError, RuntimeError) as error:
        raise UserError(
            f"`{ref}` cannot be looked up: {getattr(error, 'strerror', None) or error}"
        ) from error
    if lost:
        raise UserError(f"`{ref}` is a link that leads nowhere", hint="link it to a file that is there")
    if "://" in ref:
        hint = "what is read here is a file on this machine: download it first"
    else:
        hint = _similar(path) or f"paths are relative to {base_dir}"
    raise UserError(f"no such file or folder: `{ref}`", hint=hint)


def leads_nowhere(path: Path) -> bool:
    """Whether a path is a link to what is not there, or to itself."""
    return path.is_symlink() and not path.exists()


def find_module(name: str) -> ModuleSpec | None:
    """Find a module by its dotted name without importing it or the packages above it."""
    first, *rest = name.split(".")
    if not all(part.isidentifier() for part in (first, *rest)):
        return None
    try:
        # Unlike PathFinder it also asks the finders that editable installs put up; it imports no parent of one name.
        spec = find_spec(first)
    except ValueError:  # a module made by hand
        return None
    for part in rest:
        if spec is None:
            return None
        # By its last name alone: by the whole, a namespace package is looked for below its imported parent.
        spec = PathFinder.find_spec(part, list(spec.submodule_search_locations or ()))
    return spec


def _in_package(ref: str) -> Path:
    module, _, inside = ref.removeprefix(PREFIX).partition("/")
    parts = PurePosixPath(inside).parts
    if not module or ".." in parts or inside.startswith("/") or "\\" in inside or "\0" in inside:
        raise UserError(
            f"`{ref}` is not of the form `package:<module>/<path>`", hint="`..` is not allowed in it"
        )
    spec = find_module(module)
    if spec is None:
        raise UserError(
            f"the package `{module}` is not installed", hint=_how_to_install(module.partition(".")[0])
        )
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *parts)
        if path.exists():
            return path
    folders = [Path(folder, *parts) for folder in spec.submodule_search_locations or ()]
    hint = next((hint for hint in map(_similar, folders) if hint), None)
    raise UserError(f"the package `{module}` has no `{inside}`", hint=hint)


def _similar(path: Path) -> str | None:
    """A hint that names files with a similar name in the same folder."""
    try:
        names = [entry.name for entry in path.parent.iterdir()]
    except OSError:
        return None
    matches = get_close_matches(path.name, names, n=1)
    return f"did you mean `{matches[0]}`, in the same folder?" if matches else None


def _how_to_install(module: str) -> str:
    """The pip command: by the extra of ftcore that brings the package, or by the package's own name."""
    from importlib.metadata import PackageNotFoundError, requires

    try:
        requirements = requires("ftcore") or []
    except PackageNotFoundError:
        requirements = []
    for requirement in requirements:
        name = re.match(r"[\w.-]+", requirement)
        extra = re.search(r"extra\s*==\s*['\"]([\w-]+)", requirement)
        if name and extra and normal(name[0]) == normal(module):
            return f"pip install 'ftcore[{extra[1]}]'"
    return f"pip install the package that carries the module `{module}`"
