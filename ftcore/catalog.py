"""The task files that ftcore ships: in its checkout, else in the installed data package `ftcore_tasks`."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from ftcore.errors import UserError
from ftcore.locate import find_module, leads_nowhere

_EDITOR_LINE = "yaml-language-server"


@dataclass(frozen=True)
class TaskFile:
    """A shipped task file: its name, the task it is for, and the first comment in it."""

    name: str
    task: str
    summary: str
    path: Path


def task_files() -> list[TaskFile]:
    """Every shipped task file, by name.

    Raises:
        SpecError: one of them cannot be read.
    """
    from ftcore.spec.loader import load_file

    return [
        TaskFile(path.stem, str(load_file(path).get(("task",))), _summary(path), path)
        for path in _paths().values()
    ]


def find_spec(argument: str) -> Path:
    """The spec file that an argument names: a path, or the bare name of a shipped task file.

    Raises:
        UserError: neither is there.
    """
    path = Path(argument)
    shipped = _paths()
    if path.is_file():
        return path
    if argument in shipped:
        return shipped[argument]
    if path.is_dir():
        raise UserError(f"`{argument}` is a folder, not a spec file")
    if leads_nowhere(path):
        raise UserError(f"`{argument}` is a link that leads nowhere", hint="link it to a file that is there")
    if path.exists():
        raise UserError(f"`{argument}` is a pipe or a device, not a spec file")
    near = get_close_matches(path.stem, shipped, n=1) or get_close_matches(path.name, _siblings(path), n=1)
    help_ = f"did you mean `{near[0]}`?" if near else f"the shipped task files are {', '.join(shipped)}"
    raise UserError(f"no spec file `{argument}`", hint=help_)


def _paths() -> dict[str, Path]:
    return {path.stem: path for folder in _folders() for path in sorted(folder.glob("*.yaml"))}


def _folders() -> list[Path]:
    checkout = Path(__file__).parent.parent
    # An editable install's copy of the files is stale, so the checkout's own come first.
    if (checkout / "pyproject.toml").is_file() and (checkout / "tasks").is_dir():
        return [checkout / "tasks"]
    package = find_module("ftcore_tasks")
    return [Path(folder) for folder in package.submodule_search_locations or ()] if package else []


def _siblings(path: Path) -> list[str]:
    try:
        return [entry.name for entry in path.parent.glob("*.y*ml")]
    except OSError:
        return []


def _summary(path: Path) -> str:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("#") and _EDITOR_LINE not in line:
            return line.lstrip("# ").rstrip(" :")
    return ""
