"""A tiny run without the command line: its workspace, model and batches, and what training makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from models import tiny_spec

from ftcore.events import Listener
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import create_run
from ftcore.runs.steps import train
from ftcore.runs.techniques import features_to_train_on
from ftcore.runs.workspace import Workspace
from ftcore.spec import load_spec
from ftcore.spec.training import TrainingSpec
from ftcore.training.stopping import StopRequest


def workspace_of(
    project: Path, base: Path, *, listeners: tuple[Listener, ...] = (), **sections: Any
) -> Workspace:
    """A new run of the tiny spec in `project`; `sections` are merged into it. `listeners` see its events."""
    path = project / "small.yaml"
    path.write_text(json.dumps(tiny_spec(base, **sections)))  # which is YAML, sooner written
    resolved = load_spec(path, PluginRegistry.discover())
    return Workspace(create_run(resolved, project / "runs"), resolved.spec, resolved.task, listeners)


def trained(project: Path, base: Path, **sections: Any) -> Workspace:
    """Likewise, and its training step is taken."""
    workspace = workspace_of(project, base, **sections)
    train(workspace, StopRequest(), False)
    workspace.events.close()
    return workspace


def events(workspace: Workspace, kind: str) -> list[dict[str, Any]]:
    lines = map(json.loads, workspace.folder.events_file.read_text().splitlines())
    return [line for line in lines if line["event"] == kind]


def built(workspace: Workspace) -> tuple[torch.nn.Module, dict[str, torch.Tensor]]:
    """The untrained model, the same for the same seed, and a batch of 8 training rows."""
    assert workspace.splits
    torch.manual_seed(0)
    return workspace.family.model.build(workspace.base), workspace.features("train").batch(np.arange(8))


def kept(workspace: Workspace) -> dict[str, torch.Tensor]:
    """The weights that the run keeps, on the CPU."""
    return dict(workspace.fine_tuned().cpu().state_dict())


def training_of(**fields: Any) -> TrainingSpec:
    return TrainingSpec.model_validate(fields)


def training_features(workspace: Workspace) -> Any:
    """What the engine trains on."""
    return features_to_train_on(
        workspace.features("train"),
        workspace.splits["train"].table,
        workspace.family,
        workspace.encoder,
        workspace.spec,
        workspace.task.hooks,
        workspace.teacher_outputs,
        workspace.events.warn,
    )
