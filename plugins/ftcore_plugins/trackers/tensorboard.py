"""TensorBoard: the folder `tensorboard` of each run; `tensorboard --logdir runs` shows all of them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.api import hookimpl
from ftcore_plugins.trackers.following import Follower, Tracked, require

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

require("tensorboard")

#: Files that it keeps as texts; it has no place for others.
_SHOWN = ("spec.yaml", "metrics.json")


class _Tracking:
    """One run: a folder of events for its training and its final figures, and one for each further phase."""

    catches_up = True

    def __init__(self, tracked: Tracked) -> None:
        self._tracked = tracked
        self._folder = tracked.path / "tensorboard"
        if (
            tracked.known_as is not None
        ):  # written anew from the run's events, so that each figure is there once
            shutil.rmtree(self._folder, ignore_errors=True)
        tracked.remember(self._folder.name)
        self._writers: dict[str, SummaryWriter] = {}

    def log(self, values: Mapping[str, float], step: int | None, phase: str) -> None:
        for name, value in values.items():
            self._writer(phase).add_scalar(name, value, step or 0)

    def end(self, status: str) -> None:
        writer = self._writer("")
        for path in self._tracked.artifacts:
            if path.name in _SHOWN:
                writer.add_text(path.name, f"```\n{path.read_text(encoding='utf-8')}\n```")
        writer.add_text("run", json.dumps({"status": status, "folder": str(self._tracked.path)}))
        for one in self._writers.values():
            one.close()

    def _writer(self, phase: str) -> SummaryWriter:
        if phase not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            self._writers[phase] = SummaryWriter(str(self._folder / phase))
        return self._writers[phase]


_FOLLOWER = Follower("tensorboard", _Tracking)


@hookimpl
def ftcore_event(event: Mapping[str, Any], run: Path) -> None:
    """Log one event."""
    _FOLLOWER(event, run)
