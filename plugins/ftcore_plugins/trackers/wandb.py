"""Weights & Biases: a project for each name of a spec; `WANDB_PROJECT`, `WANDB_MODE` and the others are obeyed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

from ftcore.api import hookimpl
from ftcore_plugins.trackers.following import Follower, Tracked, require
from ftcore_plugins.trackers.runs_of_wandb import Tracking

require("wandb")


def _begin(tracked: Tracked) -> Tracking:
    import wandb

    name = (
        tracked.known_as
        or sha256(f"{tracked.record.get('created')} {tracked.path}".encode()).hexdigest()[:16]
    )
    parent = tracked.parent
    run = wandb.init(
        project=os.environ.get("WANDB_PROJECT") or tracked.project,
        id=name,
        name=tracked.name,
        group=None if parent is None else parent.name,
        config=tracked.parameters,
        dir=str(tracked.path),
        resume="allow",
        reinit="create_new",  # a seed's run is open while that around it is
    )
    again = tracked.known_as is not None
    tracked.remember(name)
    return Tracking(wandb, run, tracked, again=again, exit_code=1)


_FOLLOWER = Follower("wandb", _begin)


@hookimpl
def ftcore_event(event: Mapping[str, Any], run: Path) -> None:
    """Log one event."""
    _FOLLOWER(event, run)
