"""One way for every benchmark to take a spec through the steps of `ftcore run`, in this process."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ftcore.events import Listener
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import Step, create_run
from ftcore.runs.steps import take_steps
from ftcore.runs.workspace import Workspace
from ftcore.spec import load_spec
from ftcore.training.stopping import StopRequest


def opened(
    spec: Mapping[str, Any],
    folder: Path,
    listeners: Sequence[Listener] = (),
    overrides: Sequence[str] = (),
) -> Workspace:
    """The workspace of a new run under `folder`, where the paths of the spec are looked up, too.

    Args:
        spec: what a task file says.
        listeners: called with each event.
        overrides: `section.field=value`, as `--set` takes them.
    """
    path = folder / "spec.yaml"
    path.write_text(json.dumps(spec, ensure_ascii=False), encoding="utf-8")  # JSON is YAML
    resolved = load_spec(path, PluginRegistry.discover(), overrides)
    return Workspace(create_run(resolved, folder / "runs"), resolved.spec, resolved.task, tuple(listeners))


def fitted(
    spec: Mapping[str, Any],
    folder: Path,
    steps: Sequence[Step] = ("train", "evaluate"),
    listeners: Sequence[Listener] = (),
    overrides: Sequence[str] = (),
    stop: StopRequest | None = None,
) -> Workspace:
    """Likewise, after those steps.

    Raises:
        Interrupted: somebody has asked `stop` for that.
    """
    workspace = opened(spec, folder, listeners, overrides)
    take_steps(workspace, steps, stop or StopRequest())
    return workspace


def write_rows(rows: Iterable[Mapping[str, Any]], path: Path) -> None:
    """Write rows as JSON Lines."""
    lines = (json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    path.write_text("".join(lines), encoding="utf-8")
