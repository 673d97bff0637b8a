"""A run that nobody keeps: its workspace, in a folder that is deleted afterwards, for what is measured before a run."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ftcore.runs.folder import create_run
from ftcore.runs.workspace import Workspace
from ftcore.spec import ResolvedSpec


@contextmanager
def scratch_workspace(resolved: ResolvedSpec) -> Iterator[Workspace]:
    """The workspace of a run of this spec, which shares the cache with those that are kept."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = create_run(resolved, Path(scratch))
        workspace = Workspace(folder, resolved.spec, resolved.task, ())
        try:
            yield workspace
        finally:
            workspace.events.close()
