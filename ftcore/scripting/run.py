"""`ftcore.run` and `ftcore.load`: a run from a script or a notebook, and what it left behind."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from ftcore.cli.options import RUNS_DIR
from ftcore.errors import CheckFailed, UserError
from ftcore.files import read_json, read_json_lines
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import ALL_STEPS, RunFolder
from ftcore.runs.launch import Silent, begin, go_on, take
from ftcore.runs.names import find_run
from ftcore.runs.status import status_of
from ftcore.scripting.spec import Spec, StrPath
from ftcore.waiting import wait_asleep

if TYPE_CHECKING:
    from ftcore.runs.launch import Progress
    from ftcore_runtime import Pipeline


class Metric(NamedTuple):
    """A figure with its interval, where it has one."""

    value: float
    low: float | None = None
    high: float | None = None

    def __float__(self) -> float:
        return self.value


class Report(NamedTuple):
    """The report of a run: one HTML file without scripts or requests."""

    path: Path

    @property
    def html(self) -> str:
        """The file's text."""
        return self.path.read_text(encoding="utf-8")

    def _repr_html_(self) -> str:
        from ftcore.report.cells import framed

        return framed(self.html)


class Run:
    """A run that was begun.

    Args:
        path: its folder.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder = RunFolder(path)

    @property
    def record(self) -> dict[str, Any]:
        """run.json: versions, plugin, fingerprints of the data, seed, ...

        Raises:
            UserError: it cannot be read.
        """
        return self._folder.record()

    @property
    def name(self) -> str:
        """The name of its spec."""
        return str(self.record["name"])

    @property
    def status(self) -> str:
        """waiting, running, stopped, interrupted, failed or finished."""
        return status_of(self._folder)

    @property
    def spec(self) -> dict[str, Any]:
        """Every value of its spec, overrides and defaults included."""
        found: dict[str, Any] = read_json(self._folder.spec_file)
        return found

    @property
    def figures(self) -> dict[str, Any]:
        """metrics.json: every split, baselines, the verdict.

        Raises:
            UserError: the run was not evaluated.
        """
        self._require(self._folder.metrics_file, "was not evaluated yet", "evaluate")
        return self._folder.metrics()

    @property
    def metric(self) -> str:
        """The name of the metric that chose the best checkpoint."""
        return str(self.figures["metric"])

    @property
    def metrics(self) -> dict[str, Metric]:
        """The metrics on the test rows, by name.

        Raises:
            UserError: the run was not evaluated.
        """
        found = self.figures["splits"]["test"]["metrics"]
        return {name: Metric(one["value"], one.get("low"), one.get("high")) for name, one in found.items()}

    @property
    def verdict(self) -> str | None:
        """A sentence on whether it is better than simple baselines; None where there is none."""
        verdict = self.figures["verdict"]
        return None if verdict is None else str(verdict["text"])

    @property
    def report(self) -> Report:
        """Figures, charts and the worst rows; a notebook shows it.

        Raises:
            UserError: the run was not evaluated.
        """
        self._require(self._folder.report_file, "has no report yet", "evaluate")
        return Report(self._folder.report_file)

    def predictions(self, split: str = "test") -> list[dict[str, Any]]:
        """Each row of a split (`validation` or `test`): its location, input, reference and answer.

        Raises:
            UserError: the run was not evaluated.
        """
        file = self._folder.predictions(split)
        self._require(file, f"has no predictions of {split!r}", "evaluate")
        return list(read_json_lines(file))

    @cached_property
    def bundle(self) -> Pipeline:
        """Its bundle, loaded: `run.bundle.predict(["..."])`, `run.bundle.explain("...")`.

        Raises:
            UserError: the run was not exported; the bundle is damaged.
        """
        from ftcore_runtime import Pipeline

        self._require(self._folder.bundle / "bundle.json", "has no bundle yet", "export")
        return Pipeline.load(self._folder.bundle)

    def resume(
        self, *, progress: bool = True, observers: Sequence[str] = (), plugins_dir: StrPath | None = None
    ) -> Run:
        """Take the steps that it lacks, training from its newest checkpoint on, as `ftcore resume` does.

        Args:
            observers: see `ftcore.run`; those that it had before it has again.

        Raises:
            UserError, Interrupted, CheckFailed, RunFailed: as for `ftcore.run`.
        """
        wait_asleep()
        plugins = PluginRegistry.discover(plugins_dir=None if plugins_dir is None else Path(plugins_dir))
        chosen = plugins.chosen_observers(observers)
        go_on(self.path, plugins, _progress(shown=progress), chosen)
        return Run(self.path)

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}, {self.status})"

    def _repr_html_(self) -> str:
        from ftcore.report.cells import run_cell

        return run_cell(self._folder, self.status)

    def _require(self, file: Path, what: str, command: str) -> None:
        if not file.is_file():
            hint = f"make it with: ftcore {command} {self.path}"
            raise UserError(f"this run {what}", where=str(self.path), hint=hint)


def run(
    spec: Spec | StrPath,
    *,
    runs_dir: StrPath = RUNS_DIR,
    progress: bool = True,
    observers: Sequence[str] = (),
    plugins_dir: StrPath | None = None,
    **overrides: object,
) -> Run:
    """Fine-tune, evaluate and export, as `ftcore run` does.

    Args:
        spec: a spec, the path of a task file, or the bare name of a shipped one.
        runs_dir: where runs are kept.
        progress: show it, in a notebook as a bar.
        observers: trackers that see the run: `mlflow`, `tensorboard`, `trackio`, `wandb`.
        plugins_dir: folder of drop-in plugins; a `Spec` has its own.
        overrides: values laid over the spec, as with `--set`: `training={"epochs": 2}`.

    Raises:
        SpecError, UserError: spec, rows or base model cannot be used; nothing was trained.
        Interrupted: the run was stopped; `ftcore.load(folder).resume()` goes on with it.
        CheckFailed: the run is done, but a check of the spec is not met; `ftcore.load(folder)` has the run.
        RunFailed: the disk is full, the loss is not finite, ...
    """
    wait_asleep()
    if not isinstance(spec, Spec):
        spec = Spec.read(spec, plugins_dir=plugins_dir, **overrides)
    elif overrides:
        spec = spec.with_overrides(**overrides)
    resolved, plugins = spec.resolved, spec.plugins
    chosen = plugins.chosen_observers(observers)
    folder = begin(lambda: resolved, Path(runs_dir))
    try:
        take(folder, ALL_STEPS, plugins, _progress(shown=progress), observers=chosen)
    except CheckFailed as unmet:
        raise CheckFailed(f"{unmet}\n  help: the run is there: ftcore.load({str(folder.path)!r})") from None
    return Run(folder.path)


def load(run: StrPath, *, runs_dir: StrPath = RUNS_DIR) -> Run:
    """A run that is there.

    Args:
        run: its folder, the name of its spec (its newest run), or `latest`.
        runs_dir: where runs are looked up by name.

    Raises:
        UserError: there is none.
    """
    return Run(find_run(os.fspath(run), Path(runs_dir)))


def _progress(*, shown: bool) -> Progress:
    if not shown:
        return Silent()
    from ftcore.scripting.progress import progress

    return progress()
