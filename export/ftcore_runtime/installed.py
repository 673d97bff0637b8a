"""What installed distributions bring, by group of entry points, and which of it may be used. Imports none of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore_runtime.errors import UserError

if TYPE_CHECKING:
    from importlib.metadata import Distribution

#: The distribution whose entry points count as shipped.
CORE = "ftcore"
ALLOW_VARIABLE = "FTCORE_PLUGINS"
#: Why something is "not allowed", for messages.
NOT_ALLOWED = f"it is not in the allowlist ({ALLOW_VARIABLE}, or `plugins` in [tool.ftcore])"


@dataclass(frozen=True)
class Installed:
    """An entry point.

    Args:
        name: what it is called, unique in its group unless two distributions disagree.
        value: `module` or `module:attribute`.
        distribution, version: who brings it.
    """

    name: str
    value: str
    distribution: str
    version: str

    @property
    def shipped(self) -> bool:
        """Whether it comes with ftcore itself."""
        return normal(self.distribution) == CORE

    @property
    def provider(self) -> str:
        """Who brings it, for messages."""
        return f"{self.distribution} {self.version}"


def installed(group: str) -> tuple[Installed, ...]:
    """The entry points of a group. The first of two copies of one distribution counts."""
    return tuple(entry for found, entry in _scan(tuple(map(_stamped, sys.path))) if found == group)


def _stamped(folder: str) -> tuple[str, int]:
    """A folder of sys.path, and when something was last put into it: what is installed later is found too."""
    try:
        return folder, Path(folder).stat().st_mtime_ns
    except OSError:
        return folder, 0


@lru_cache(maxsize=4)
def _scan(path: tuple[tuple[str, int], ...]) -> tuple[tuple[str, Installed], ...]:
    """Group and entry point of everything in ftcore's groups."""
    return tuple(_entries([folder for folder, _ in path]))


def _entries(path: list[str]) -> Iterator[tuple[str, Installed]]:
    from importlib import metadata  # a tenth of the time in which a bundle is loaded, and few need it

    seen = set()
    for dist in metadata.distributions(path=path):
        try:
            # The metadata of hundreds take a quarter of a second to parse: those of distributions with entries alone.
            entries = [entry for entry in dist.entry_points if entry.group.startswith(f"{CORE}.")]
            if not entries:
                continue
            name, version = dist.metadata["Name"], dist.version
        except (KeyError, ValueError, OSError):
            continue  # metadata that is damaged names nothing
        if not name or normal(name) in seen:
            continue
        seen.add(normal(name))
        if _is_first(dist, name, path):
            for entry in entries:
                yield entry.group, Installed(entry.name, entry.value, name, version)


def _is_first(dist: Distribution, name: str, path: list[str]) -> bool:
    """Whether no other copy of a distribution comes before this one."""
    first = next(iter(dist.discover(name=name, path=path)), dist)
    return first.locate_file("") == dist.locate_file("")


def allowlist(project: Path) -> frozenset[str] | None:
    """Names and distributions that may be used; None where nothing limits them.

    Args:
        project: the folder whose pyproject.toml may list them, as `plugins` in `[tool.ftcore]`; the environment
            variable FTCORE_PLUGINS (separated by commas) comes first.

    Raises:
        UserError: pyproject.toml cannot be read, or `plugins` is no list of texts.
    """
    if (variable := os.environ.get(ALLOW_VARIABLE)) is not None:
        return frozenset(name.strip() for name in variable.split(",") if name.strip())
    names = configured(project, "plugins")
    return None if names is None else frozenset(names)


def configured(project: Path, key: str) -> list[str] | None:
    """A list of texts in `[tool.ftcore]` of the project's pyproject.toml; None where there is none.

    Raises:
        UserError: pyproject.toml cannot be read, or it is no list of texts.
    """
    path = project / "pyproject.toml"
    if not path.is_file():
        return None
    import tomllib  # few processes that load a bundle need it

    try:
        names = tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}).get("ftcore", {}).get(key)
    except (OSError, ValueError, AttributeError) as error:
        raise UserError(f"cannot be read: {error}", where=str(path)) from error
    if names is not None and not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise UserError(f"`{key}` in [tool.ftcore] is not a list of texts", where=str(path))
    return names


def is_allowed(name: str, distribution: str | None, allowed: frozenset[str] | None) -> bool:
    """Whether the allowlist has the name, or its distribution (a drop-in file has none)."""
    names = {normal(name), normal(distribution or name)}
    return allowed is None or not names.isdisjoint(map(normal, allowed))


def normal(name: str) -> str:
    """The name of a distribution in the form in which two spellings of one are equal (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
