"""Prepared splits on disk, found again by a key of everything they depend on; whole or not there at all."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ftcore
from ftcore.data.sources import Opened
from ftcore.families.reader import Reader
from ftcore_runtime.publishing import discard, publishing

_LAYOUT = 4  # of the folder; raised when its files change meaning
_MANIFEST = "splits.json"
#: What the name of a folder begins with that has no key.
UNCACHED = "uncached-"


def cache_key(reader: Reader[Any, Any], sources: Mapping[str, Opened], plugins: Iterable[Any]) -> str | None:
    """Key of the prepared splits, or None where a plugin's code cannot be distinguished from another version of it.

    Args:
        plugins: those that prepare rows. They see the whole spec, so all of it counts when there is one.
    """
    spec = reader.spec
    code = [_code_of(sys.modules[type(reader).__module__])]
    seen = spec.data.model_dump(mode="json")
    for plugin in plugins:
        if (digest := _code_of(plugin)) is None:
            return None
        code.append(digest)
        seen = spec.model_dump(mode="json")
    content = {
        "layout": _LAYOUT,
        "ftcore": ftcore.__version__,
        "code": code,
        "family": spec.family,
        "schema": str(reader.schema),
        "spec": seen,
        "sources": {role: [source.kind, source.sha256] for role, source in sources.items()},
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:32]


def _code_of(module: Any) -> str | None:  # noqa: ANN401 (a plugin may be any object)
    """SHA-256 of a module's file; of one in a package, of every Python file of that package."""
    file = getattr(module, "__file__", None)
    if not file or not Path(file).is_file():
        return None
    path, digest = Path(file), hashlib.sha256()
    for part in sorted(path.parent.rglob("*.py")) if getattr(module, "__package__", None) else [path]:
        digest.update(f"{part.relative_to(path.parent).as_posix()}\0".encode())
        digest.update(hashlib.sha256(part.read_bytes()).digest())
    return digest.hexdigest()


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """What `write_folder` wrote with the splits, or None unless every file is there in its full size."""
    try:
        manifest = json.loads((folder / _MANIFEST).read_text("utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in manifest["files"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return manifest["content"] if whole else None


def discard_uncached(cache: Path, key: str) -> None:
    """Delete splits that no later reading would find; `key` is theirs."""
    if key.startswith(UNCACHED):
        discard(cache / key)


@contextmanager
def write_folder(folder: Path) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Give a temporary folder and a dict for the manifest; on success it becomes `folder`.

    Of two processes that write the same folder the first one wins: both have read the same rows.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    if folder.exists() and read_manifest(folder) is None:  # what is there is damaged
        discard(folder)
    complete = False
    try:
        with publishing(folder, replace=False) as made:
            made.mkdir()
            content: dict[str, Any] = {}
            yield made, content
            files = {path.name: path.stat().st_size for path in sorted(made.iterdir())}
            manifest = json.dumps({"files": files, "content": content}, indent=2)
            (made / _MANIFEST).write_text(manifest, "utf-8")
            complete = True
    except FileExistsError:
        if not complete:
            raise
