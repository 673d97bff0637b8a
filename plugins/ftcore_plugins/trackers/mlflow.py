"""MLflow: where `MLFLOW_TRACKING_URI` says (mlflow.db here if it does not), an experiment for each name of a spec."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.api import hookimpl
from ftcore_plugins.trackers.following import Follower, Tracked, require

if TYPE_CHECKING:
    from mlflow import MlflowClient

require("mlflow")
os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # on by default

#: What a key of MLflow may not have in it.
_REFUSED = re.compile(r"[^\w\-. /:]")
#: Most parameters that MLflow takes at once.
_AT_ONCE = 100
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "interrupted": "KILLED"}


class _Tracking:
    """One run in MLflow.

    Args:
        run_id: MLflow's.
        again: whether MLflow has figures of it from before.
    """

    catches_up = True

    def __init__(self, client: MlflowClient, run_id: str, tracked: Tracked, *, again: bool) -> None:
        self._client = client
        self._run_id = run_id
        self._tracked = tracked
        self._newest: dict[str, int] | None = {} if again else None

    def log(self, values: Mapping[str, float], step: int | None, phase: str) -> None:
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        found = {_REFUSED.sub("_", name): value for name, value in values.items()}
        metrics = [
            Metric(name, value, now, step or 0)
            for name, value in found.items()
            if step is None or step > self._logged(name)
        ]
        self._client.log_batch(self._run_id, metrics=metrics)

    def end(self, status: str) -> None:
        for path in self._tracked.artifacts:
            if path.is_dir():
                self._client.log_artifacts(self._run_id, str(path), path.name)
            else:
                self._client.log_artifact(self._run_id, str(path))
        self._client.set_terminated(self._run_id, _STATUS[status])

    def _logged(self, name: str) -> int:
        """The newest step of a figure that MLflow had before this process; -1 for none."""
        if self._newest is None:
            return -1
        if name not in self._newest:
            history = self._client.get_metric_history(self._run_id, name)
            self._newest[name] = max((one.step for one in history), default=-1)
        return self._newest[name]


def _begin(tracked: Tracked) -> _Tracking:
    from mlflow import MlflowClient
    from mlflow.entities import Param

    client = MlflowClient()
    if known := tracked.known_as:
        client.update_run(known, status="RUNNING")
        return _Tracking(client, known, tracked, again=True)
    tags = {f"ftcore.{name}": value for name, value in tracked.tags.items()}
    if tracked.parent is not None and tracked.parent.known_as is not None:
        tags["mlflow.parentRunId"] = tracked.parent.known_as
    name = os.environ.get("MLFLOW_EXPERIMENT_NAME") or tracked.project
    experiment = client.get_experiment_by_name(name)
    experiment_id = client.create_experiment(name) if experiment is None else experiment.experiment_id
    run_id = client.create_run(experiment_id, tags=tags, run_name=tracked.name).info.run_id
    tracked.remember(run_id)
    parameters = [Param(_REFUSED.sub("_", key), value) for key, value in tracked.parameters.items()]
    for start in range(0, len(parameters), _AT_ONCE):
        client.log_batch(run_id, params=parameters[start : start + _AT_ONCE])
    return _Tracking(client, run_id, tracked, again=False)


_FOLLOWER = Follower("mlflow", _begin)


@hookimpl
def ftcore_event(event: Mapping[str, Any], run: Path) -> None:
    """Log one event."""
    _FOLLOWER(event, run)
