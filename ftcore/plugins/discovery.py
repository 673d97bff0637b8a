"""Finds plugins by metadata and file names, reads what their source says of them, and runs none of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from ftcore.locate import find_module
from ftcore.task import Kind, PluginInfo
from ftcore_runtime.files import open_regular
from ftcore_runtime.installed import NOT_ALLOWED, Installed, installed, is_allowed

#: Kind -> its group of entry points. The value of an entry point is a module, or `module:attribute`.
GROUPS: dict[Kind, str] = {
    "task": "ftcore.tasks",
    "family": "ftcore.families",
    "observer": "ftcore.observers",
    "source": "ftcore.sources",
    "decoder": "ftcore.decoders",
}
#: What a drop-in file calls the family that it brings.
FAMILY = "FAMILY"
_DROP_IN_MODULE = "ftcore_drop_in_"


def find_plugins(drop_ins: Path, allowed: frozenset[str] | None) -> list[PluginInfo]:
    """Every plugin, with the problem of those that cannot or may not be used.

    Args:
        drop_ins: the folder of the project's own plugins; it need not exist.
        allowed: ids and distributions that may be loaded; None allows all.
    """
    entries = [_from_entry_point(kind, entry) for kind, group in GROUPS.items() for entry in installed(group)]
    found = _distinct([*entries, *_drop_ins(drop_ins)])
    return list(_with_conflicts([_judged(info, allowed) for info in found]))


def _from_entry_point(kind: Kind, entry: Installed) -> PluginInfo:
    module, _, attribute = entry.value.partition(":")
    spec = find_module(module)
    path = Path(spec.origin) if spec and spec.origin and spec.has_location else None
    info = PluginInfo(
        id=entry.name,
        origin="shipped" if entry.shipped else "installed",
        kind=kind,
        module=module,
        attribute=attribute or None,
        path=path,
        dist=entry.distribution,
        version=entry.version,
    )
    if path is None:
        problem = f"the entry point of {entry.provider} names a module that is not there: `{entry.value}`"
        return replace(info, status="missing", problem=problem)
    return _peeked(info)


def _drop_ins(folder: Path) -> Iterator[PluginInfo]:
    if not folder.is_dir():
        return
    for path in sorted(folder.glob("*.py")):
        if path.stem.isidentifier() and not path.stem.startswith("_") and path.is_file():
            info = PluginInfo(id=path.stem, origin="drop-in", module=_DROP_IN_MODULE + path.stem, path=path)
            for kind in _kinds(path):
                attribute = FAMILY if kind == "family" else None
                yield _peeked(replace(info, kind=kind, attribute=attribute))


def _kinds(path: Path) -> list[Kind]:
    """What a drop-in brings, by the names that its source defines: a task, a family, both; or it only observes."""
    tree = _parsed(path)
    names = {
        name
        for node in (tree.body if tree else ())
        for name in ([node.name] if isinstance(node, ast.FunctionDef) else _assigned(node))
    }
    family: list[Kind] = ["family"] if FAMILY in names else []
    if "ftcore_task" not in names and "ftcore_event" in names:
        return [*family, "observer"]
    return family if family and "ftcore_task" not in names else [*family, "task"]


def _assigned(node: ast.stmt) -> list[str]:
    """Names that a statement assigns to."""
    targets = (
        node.targets
        if isinstance(node, ast.Assign)
        else [node.target]
        if isinstance(node, ast.AnnAssign)
        else []
    )
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _parsed(path: Path) -> ast.Module | None:
    """The source of a module; None where it is none, which loading it will say."""
    try:
        state = path.stat()
        return _tree(path, state.st_mtime_ns, state.st_size)
    except (OSError, ValueError, SyntaxError, RecursionError, MemoryError):
        return None


@lru_cache(maxsize=64)
def _tree(path: Path, _modified: int, _size: int) -> ast.Module:
    """Parsed once: a module may bring many plugins, and a process may look for them many times."""
    with open_regular(path) as file:
        return ast.parse(file.read())


def _peeked(info: PluginInfo) -> PluginInfo:
    """The plugin with what its source says of it, read without running it."""
    if info.path is None or info.path.suffix != ".py":
        return info
    tree = _parsed(info.path)
    if tree is None:
        return info
    summary = (ast.get_docstring(tree) or "").partition("\n")[0]
    api_version = info.api_version
    for node in tree.body:
        match node:
            case ast.Assign(
                targets=[ast.Name(id="ftcore_api_version")], value=ast.Constant(value=int(version))
            ):
                api_version = version
    return replace(info, summary=summary, api_version=api_version)


def _distinct(found: Sequence[PluginInfo]) -> list[PluginInfo]:
    """One plugin for each kind, id and file: a file that is reached twice, through links, is one."""
    first: dict[tuple[str, str, object], PluginInfo] = {}
    for info in found:
        first.setdefault((info.kind, info.id, info.path.resolve() if info.path else info.provider), info)
    return list(first.values())


def _judged(info: PluginInfo, allowed: frozenset[str] | None) -> PluginInfo:
    """The plugin, marked if the allowlist does not have it. Families and sources of ftcore itself need no mention."""
    own = info.origin == "shipped" and info.kind != "task"
    if own or is_allowed(info.id, info.dist, allowed):
        return info
    return replace(info, status="not allowed", problem=NOT_ALLOWED)


def _with_conflicts(found: Sequence[PluginInfo]) -> Iterator[PluginInfo]:
    """The plugins, marked where several of one kind that may be loaded have one id."""
    for info in found:
        rivals = [
            other.provider
            for other in found
            if (other.kind, other.id) == (info.kind, info.id) and other.status != "not allowed"
        ]
        if info.status != "not allowed" and len(rivals) > 1:
            problem = f"{' and '.join(rivals)} all provide it; remove or rename all but one"
            yield replace(info, status="conflict", problem=problem)
        else:
            yield info
