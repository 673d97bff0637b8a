"""Stops trainings in the middle, as SIGTERM does, and resumes them."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
from graph_cache import working_in
from ruamel.yaml import YAML

from ftcore.cli import main
from ftcore.training import engine


def stop_within(monkeypatch: pytest.MonkeyPatch, *steps: int, number: int = signal.SIGTERM) -> None:
    """Send this process a signal within these optimizer steps, counted from 1."""
    whole = engine._Loop._step

    def stopped(self: Any, micro_batches: Any) -> None:
        if self.progress.step + 1 in steps:
            os.kill(os.getpid(), number)
        whole(self, micro_batches)

    monkeypatch.setattr(engine._Loop, "_step", stopped)


def stopped_and_resumed(folder: Path, name: str, spec: dict[str, Any], step: int) -> Path:
    """The run of a spec of this name in `folder` that was stopped within a step and resumed to its end."""
    YAML().dump(spec, folder / f"{name}.yaml")
    with working_in(folder):
        with pytest.MonkeyPatch.context() as patch:
            stop_within(patch, step)
            assert main(["run", f"{name}.yaml"]) == 128 + signal.SIGTERM
        (record,) = folder.glob("runs/*/*/run.json")
        assert main(["resume", str(record.parent)]) == 0
    return record.parent
