"""How a run is begun, taken through its steps and reported: what the command line and `ftcore.run` both call.

Light until there is something to do: a spec or rows that a run cannot learn from are found before torch is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from ftcore import processes
from ftcore.errors import Interrupted, PluginError
from ftcore.imports import uncollected
from ftcore.plugins import LoadedTask, PluginRegistry
from ftcore.runs.folder import ALL_STEPS, RunFolder, Step, create_run, open_run, plugin_record, reload_spec
from ftcore.runs.status import at_work
from ftcore.runs.teacher_folder import pin_teacher
from ftcore.spec import ResolvedSpec
from ftcore.training.stopping import listen
from ftcore.watching import Watcher

if TYPE_CHECKING:
    from ftcore.runs.workspace import Workspace

#: Seconds that the end of a run waits for observers: what they send last may be a bundle.
_PATIENCE = 30.0


class Progress(Protocol):
    """Shows the events of a run as they come."""

    def __call__(self, event: Mapping[str, Any]) -> object:
        """Show one event."""

    def close(self) -> None:
        """Show no more."""


class Silent:
    """A `Progress` that shows nothing."""

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Pass it over."""

    def close(self) -> None:
        """There is nothing to take down."""


def begin(resolve: Callable[[], ResolvedSpec], runs_dir: Path) -> RunFolder:
    """The folder of a new run; of several processes the first makes it for all.

    There is none before the rows have been read: what a run cannot learn from leaves nothing behind.

    Args:
        resolve: reads and validates the spec.

    Raises:
        UserError: the spec is not valid, or its rows cannot be learnt from.
        Interrupted: Ctrl-C or SIGTERM.
    """
    processes.meet()
    path = ""
    if processes.is_first():
        with listen():
            from ftcore.runs.rows import check_inputs

            resolved = resolve()
            check_inputs(resolved, audit=True)
        path = str(create_run(pin_teacher(resolved), runs_dir).path)
    return RunFolder(Path(processes.share_text(path)))


def go_on(
    path: Path, plugins: PluginRegistry, progress: Progress, observers: Sequence[str] = ()
) -> RunFolder:
    """Take the steps that a run lacks, training from its newest checkpoint on.

    Args:
        observers: see `open_workspace`.

    Raises:
        UserError, Interrupted, CheckFailed, RunFailed: see `take`.
    """
    folder = open_run(path)
    record = folder.record()
    steps = [step for step in ALL_STEPS if step not in record["steps"]]
    take(folder, steps, plugins, progress, observers=observers, resume=record["status"] != "waiting")
    return folder


def take(
    folder: RunFolder,
    steps: Sequence[Step],
    plugins: PluginRegistry,
    progress: Progress,
    *,
    observers: Sequence[str] = (),
    resume: bool = False,
) -> None:
    """Take these steps in this run, and write the report of what was measured.

    Args:
        observers: see `open_workspace`.

    Raises:
        UserError: something of its inputs cannot be used.
        Interrupted: Ctrl-C or SIGTERM; the run can be resumed.
        CheckFailed: a check or a tolerance was not met; everything is there.
        RunFailed: the disk is full, the loss is not finite, ...
    """
    try:
        # Before anything heavy is imported, so that a stop finds somebody who listens from the first moment on.
        with listen() as stop, at_work(folder):
            with uncollected():
                from ftcore.runs.steps import take_steps

            processes.meet()
            with open_workspace(folder, plugins, progress, observers) as workspace:
                take_steps(workspace, steps, stop, resume=resume)
    except Interrupted as stop:
        raise Interrupted(
            stop.exit_code, f"interrupted; resume it with: ftcore resume {folder.path}"
        ) from None


@contextmanager
def open_workspace(
    folder: RunFolder, plugins: PluginRegistry, progress: Progress, observers: Sequence[str] = ()
) -> Iterator[Workspace]:
    """The workspace of a run, which shows its progress there and to the observers.

    Args:
        observers: of those that ftcore ships, the ones that are wanted besides those that the run had before.
    """
    with uncollected():
        from ftcore.runs.workspace import Workspace

    spec, task = reload_spec(folder, plugins)
    watchers, problems = _watchers(folder, task, plugins, observers) if processes.is_first() else ((), [])
    workspace = None
    try:
        workspace = Workspace(folder, spec, task, (progress,), watchers)
        for problem in problems:
            workspace.events.warn(f"{problem} (the run goes on without it)")
        yield workspace
    finally:
        if workspace is not None:
            workspace.events.finish(_PATIENCE)
        progress.close()


def _watchers(
    folder: RunFolder, task: LoadedTask, plugins: PluginRegistry, chosen: Sequence[str]
) -> tuple[tuple[Watcher, ...], list[PluginError]]:
    """Who sees the events of a run, whom its record names, and what is wrong with those who cannot."""
    before = [one["id"] for one in folder.record().get("observers", ())]
    observers, problems = plugins.observers({*chosen, *before})
    if observers:
        folder.update(observers=[plugin_record(observer) for observer in observers])
    watchers = [Watcher(f"the observer `{one.info.id}`", one.see) for one in observers]
    if "ftcore_event" in task.implemented:
        own = f"`ftcore_event` of the plugin `{task.info.id}`"
        watchers.append(Watcher(own, lambda event, run: task.hooks.ftcore_event(event=event, run=run)))
    return tuple(watchers), problems
