"""What Weights & Biases and Trackio have in common: runs with `log`, `log_artifact` and `finish`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ftcore_plugins.trackers.following import Tracked


class Tracking:
    """One run.

    Args:
        module: `wandb` or `trackio`.
        run: of the module.
        again: whether it has figures of the run from before; those that are logged again are there twice.
        ends_with: arguments of its `finish` where the run was not finished.
    """

    def __init__(
        self,
        module: Any,  # noqa: ANN401 (their modules say the same, and share no type)
        run: Any,  # noqa: ANN401
        tracked: Tracked,
        *,
        again: bool,
        **ends_with: object,
    ) -> None:
        self.catches_up = not again
        self._module = module
        self._run = run
        self._tracked = tracked
        self._ends_with = ends_with

    def log(self, values: Mapping[str, float], step: int | None, phase: str) -> None:
        """The step is a figure as well: each phase counts its own, and a run's own step only ever grows."""
        own = {} if step is None else {f"{phase}/train/step" if phase else "train/step": step}
        self._run.log({**values, **own})

    def end(self, status: str) -> None:
        made = self._module.Artifact(f"run-{self._tracked.path.name}", type="run")
        for path in self._tracked.artifacts:
            if path.is_dir():
                made.add_dir(str(path), name=path.name)
            else:
                made.add_file(str(path), name=path.name)
        self._run.log_artifact(made)
        self._run.finish(**({} if status == "finished" else self._ends_with))
