"""Runs inside a run: of a seed, or of a fold. Each is a run like any other, in a folder of its own."""

from __future__ import annotations

from collections.abc import Callable
from os.path import relpath
from typing import Any

from ftcore import processes
from ftcore.files import write_atomic, write_json
from ftcore.runs.folder import RunFolder
from ftcore.runs.status import at_work
from ftcore.runs.workspace import Workspace
from ftcore.spec.sections import Spec
from ftcore.training.stopping import StopRequest
from ftcore_runtime.files import sha256

StepAction = Callable[[Workspace, StopRequest, bool], object]

#: What a run's record says of its own rows and work.
_OWN = ("data", "data_report", "recipe", "weights", "process")


def child_run(
    parent: Workspace,
    folder: RunFolder,
    spec: Spec,
    **record: Any,  # noqa: ANN401 (anything JSON can hold)
) -> Workspace:
    """The run in `folder`, made unless it is there.

    Args:
        spec: of the child.
        record: what its `run.json` says that the parent's does not.
    """
    if processes.is_first() and not folder.record_file.exists():
        folder.path.mkdir(parents=True, exist_ok=True)
        write_atomic(folder.spec_file, (spec.model_dump_json(indent=2) + "\n").encode())
        written = parent.folder.path / "spec.yaml"
        write_atomic(folder.path / written.name, written.read_bytes())
        own = {key: value for key, value in parent.folder.record().items() if key not in _OWN}
        whole = {**own, "status": "waiting", "steps": [], "spec_sha256": sha256(folder.spec_file)}
        if parent.folder.pretrained.is_dir():  # all of them start from it
            folder.pretrained.symlink_to(relpath(parent.folder.pretrained, folder.path))
        write_json(folder.record_file, {**whole, **record})
    processes.wait()
    return Workspace(folder, spec, parent.task, parent.listeners, parent.watchers)


def finish_child(child: Workspace, stop: StopRequest, train: StepAction, evaluate: StepAction) -> None:
    """Train and measure a child from where it stands; one that was measured is passed over."""
    if not child.folder.metrics_file.exists():
        with at_work(child.folder):
            try:
                if not child.trained:
                    train(child, stop, child.folder.training_was_begun)
                processes.wait()
                if processes.is_first():
                    evaluate(child, stop, False)
                child.events.emit("run_finished")
            finally:
                child.events.close()
    processes.wait()
