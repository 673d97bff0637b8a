"""What all packaging targets share: the bundle, checked, and a new folder that is filled whole or not at all."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from ftcore_runtime.errors import UserError
from ftcore_runtime.manifest import MANIFEST
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.publishing import publishing

_LONGEST = 50  # characters of a name; Kubernetes has 63, and adds some of its own


@dataclass(frozen=True)
class Packed:
    """A bundle to be packaged.

    Args:
        path: its folder.
        pipeline: it, loaded and self-tested.
        name: what it is deployed as: lower-case letters, digits and `-`, as Kubernetes wants it.
    """

    path: Path
    pipeline: Pipeline
    name: str

    @classmethod
    def load(cls, path: Path, name: str | None = None, variant: str | None = None) -> Packed:
        """Load and self-test a bundle.

        Raises:
            UserError: it is none, does not answer as when written, or has a name that nothing can be made of.
        """
        pipeline = Pipeline.load(path, variant)
        pipeline.selftest()
        given = pipeline.manifest.name if name is None else name
        plain = re.sub(r"[^a-z0-9]+", "-", given.lower()).strip("-")[:_LONGEST].strip("-")
        if not plain or (name is not None and plain != name):
            what = f"is no name of lower-case letters, digits and '-', {_LONGEST} at most"
            raise UserError(what, where=given or "--name", hint="give another --name")
        return cls(path, pipeline, plain)

    @property
    def requirements(self) -> dict[str, str]:
        """What pip is to install where the bundle is served, by distribution: this release, and that of its decoder."""
        found = {"ftcore": f"ftcore[serve]=={metadata.version('ftcore')}"}
        provider = self.pipeline.manifest.provider
        if provider is not None and not provider.shipped:
            found[provider.distribution] = provider.requirement
        return found

    @property
    def megabytes(self) -> int:
        """Memory that a process takes that serves it, in MiB, by the size of its graphs."""
        return 256 + 3 * self.pipeline.manifest.variants[self.pipeline.variant].bytes // 2**20

    def copy_to(self, folder: Path) -> None:
        """Copy the bundle's files, and no others."""
        folder.mkdir(parents=True)
        for name in (MANIFEST, *self.pipeline.manifest.files):
            shutil.copyfile(self.path / name, folder / name)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder that takes the name `path` once it is filled.

    Raises:
        UserError: `path` is there already, or cannot be made.
    """
    if path.exists() or path.is_symlink():
        raise UserError("is there already", where=str(path), hint="give another --output")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise UserError("cannot be written: what is above it is a file", where=str(path)) from None
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(path)) from None
    try:
        with publishing(path, replace=False) as made:
            made.mkdir()
            yield made
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def write_yaml(path: Path, value: Mapping[str, Any]) -> None:
    """Write a mapping as YAML in blocks."""
    yaml = YAML()
    yaml.width = 4096
    with path.open("w", encoding="utf-8") as file:
        yaml.dump(value, file)
