"""Trackio: a project for each name of a spec, on this machine; `trackio show` opens it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore.api import hookimpl
from ftcore_plugins.trackers.following import Follower, Tracked, require
from ftcore_plugins.trackers.runs_of_wandb import Tracking

require("trackio")


def _begin(tracked: Tracked) -> Tracking:
    import trackio

    parent = tracked.parent
    name = tracked.name if parent is None else f"{parent.name}-{tracked.name}"
    run = trackio.init(
        tracked.project,
        name=name,
        group=None if parent is None else parent.name,
        config=tracked.parameters,
        resume="allow",
        embed=False,
        auto_log_gpu=False,
        auto_log_cpu=False,
    )
    again = tracked.known_as is not None
    tracked.remember(name)
    return Tracking(trackio, run, tracked, again=again)


_FOLLOWER = Follower("trackio", _begin)


@hookimpl
def ftcore_event(event: Mapping[str, Any], run: Path) -> None:
    """Log one event."""
    _FOLLOWER(event, run)
