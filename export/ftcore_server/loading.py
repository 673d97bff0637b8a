"""Loads bundles that were tried elsewhere first: what a version is made of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ftcore_runtime.errors import UserError
from ftcore_runtime.pipeline import Pipeline
from ftcore_server.deployment import Source, require_name
from ftcore_server.settings import Settings


@dataclass(frozen=True)
class Loaded:
    """A bundle in memory that has passed its self-test. It has no thread yet, so a process may be forked from it.

    Args:
        path: the bundle's folder.
        name, version: what it is served as.
    """

    path: Path
    name: str
    version: str
    pipeline: Pipeline


def load(path: Path, source: Source, settings: Settings, tried: str) -> Loaded:
    """Load a bundle that `try_bundle` has tried. Blocks for as long as that takes.

    Args:
        path: the folder that `source` names.
        source: what it is served as.
        tried: the fingerprint of what was tried.

    Raises:
        UserError: it is no bundle, is not signed as it must be, is another one than was tried, has a name that is
            unfit for a URL, or the device is missing or computes something else.
    """
    threads = settings.batching.threads
    pipeline = Pipeline.load(
        path,
        settings.variant,
        threads=threads,
        run_threads=threads,
        device=settings.device,
        signed_by=settings.signed_by,
    )
    if settings.device != "cpu":
        pipeline.selftest()  # what was tried is the same graph on the CPU
    if pipeline.manifest.fingerprint != tried:
        raise UserError("was exchanged while it was loaded", where=str(path), hint="load it again")
    name = source.name or pipeline.manifest.name
    require_name(name, str(path))
    return Loaded(path, name, source.version or pipeline.manifest.fingerprint, pipeline)


def resolved(path: Path) -> Path:
    """The folder itself, so that a link exchanged meanwhile does not mix two bundles.

    Raises:
        UserError: it is not there.
    """
    try:
        return path.resolve(strict=True)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=str(path)) from None
