"""Shows a run's events as they come: bars and colours on a terminal, plain lines elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

from ftcore.cli.data_summary import data_warnings, rows_line

if TYPE_CHECKING:
    from ftcore.runs.queue import Entry

_PLAIN_EVERY = 10.0  # seconds between two lines of a running step, off a terminal


class Bar(Protocol):
    """How far a training is."""

    def move(self, step: int, note: str) -> None:
        """It has taken so many steps; the note says what else there is to say."""

    def close(self) -> None:
        """It has ended."""


class TerminalBar:
    """A bar with the time left.

    Args:
        console: a terminal.
        first: steps that were taken before.
        steps: all of them.
    """

    def __init__(self, console: Console, first: int, steps: int) -> None:
        self._progress = Progress(
            TextColumn("training"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=console,
        )
        self._progress.start()
        self._task = self._progress.add_task("", total=steps, completed=first, note="")

    def move(self, step: int, note: str) -> None:
        """Show how far it is."""
        self._progress.update(self._task, completed=step, note=note)

    def close(self) -> None:
        """Leave it as it is."""
        self._progress.stop()


class Spinner:
    """Says on a terminal what is being done, and for how long, where no bar says how far it is.

    Args:
        console: a terminal; elsewhere nothing is shown.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None

    def show(self, what: str) -> None:
        """Something else is being done from now on."""
        self.close()
        if self._console.is_terminal:
            columns = SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn()
            self._progress = Progress(*columns, console=self._console, transient=True)
            self._progress.add_task(what, total=None)
            self._progress.start()

    def close(self) -> None:
        """Take it away."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


@contextmanager
def spinning(what: str) -> Iterator[Spinner]:
    """A spinner for what is done within, which prints nothing; on standard error, where that is a terminal."""
    from ftcore.cli.console import console

    with closing(Spinner(console(stderr=True))) as spinner:
        spinner.show(what)
        yield spinner


class RunProgress:
    """A listener of a run's `EventLog`.

    Args:
        console: where to.
        open_bar: makes a bar, given the steps taken before and all of them; a terminal has one of its own. Without one
            there is a line now and then.
    """

    def __init__(self, console: Console, open_bar: Callable[[int, int], Bar] | None = None) -> None:
        self._console = console
        if open_bar is None and console.is_terminal:
            open_bar = partial(TerminalBar, console)
        self._open_bar = open_bar
        self._bar: Bar | None = None
        self._spinner = Spinner(console)
        self._first = self._steps = 0
        self._started = self._last_line = time.monotonic()

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Show one event; kinds without a method of their own are for the file alone."""
        show = getattr(self, f"_on_{event['event']}", None)
        if show is not None:
            show(event)

    def close(self) -> None:
        """Take the bar and the spinner down."""
        self._spinner.close()
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _say(self, text: str, style: str = "") -> None:
        self._console.print(text, style=style, highlight=False, soft_wrap=True, markup=False)

    def _on_activity(self, event: Mapping[str, Any]) -> None:
        if self._console.is_terminal:
            self._spinner.show(event["what"])
        else:
            self._say(f"{event['what']} ...")

    def _on_step_started(self, event: Mapping[str, Any]) -> None:
        self._say(f"== {event['step']}", "bold")

    def _on_data_loaded(self, event: Mapping[str, Any]) -> None:
        self._say(rows_line(event["report"]))
        for line in data_warnings(event["report"]):
            self._say(line, "yellow")

    def _on_audited(self, event: Mapping[str, Any]) -> None:
        for severity, check, what in event["findings"]:
            if severity != "note":
                self._say(f"{severity}: {check}: {what}", "yellow")

    def _on_planned(self, event: Mapping[str, Any]) -> None:
        figures = (f"{name} {value:,}" for name, value in event["plan"].items())
        self._say(f"plan for {event['split']}: " + ", ".join(figures))

    def _on_recipe_chosen(self, event: Mapping[str, Any]) -> None:
        fields = (
            f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"
            for name, value in event["fields"].items()
        )
        self._say(f"recipe {event['name']}: {', '.join(fields)} ({event['why']})")

    def _on_model_built(self, event: Mapping[str, Any]) -> None:
        self._say(
            f"model: {event['parameters'] / 1e6:.1f} M parameters; {event['tokens']:,} training tokens,"
            f" at most {event['max_length']} a row"
        )

    def _on_teacher_asked(self, event: Mapping[str, Any]) -> None:
        self._say(f"teacher: asked once about {event['rows']:,} training rows")

    def _on_device(self, event: Mapping[str, Any]) -> None:
        self._say(f"device: {event['device']}, {event['precision']} ({event['why']})")

    def _on_resumed(self, event: Mapping[str, Any]) -> None:
        if event["step"]:
            self._say(f"{_phase(event)}resumed from the checkpoint of step {event['step']}")
        else:
            self._say(f"{_phase(event)}resumed: there is no checkpoint yet, so from step 0")

    def _on_warning(self, event: Mapping[str, Any]) -> None:
        self._say(f"warning: {event['message']}", "yellow")

    def _on_training_started(self, event: Mapping[str, Any]) -> None:
        self._first, self._steps = event["step"], event["steps"]
        self._started = self._last_line = time.monotonic()
        self._spinner.close()  # a terminal shows one thing at a time
        if self._open_bar is not None:
            self._bar = self._open_bar(self._first, self._steps)
        else:
            self._say(f"{_phase(event)}training: {self._steps} steps, {event['rows']:,} rows")

    def _on_step(self, event: Mapping[str, Any]) -> None:
        step, note = event["step"], f"loss {event['loss']:.4f}, {event['rows_per_second']:.0f} rows/s"
        if self._bar is not None:
            self._bar.move(step, note)
            return
        now = time.monotonic()
        if now - self._last_line >= _PLAIN_EVERY or step == self._steps:
            self._last_line = now
            left = (now - self._started) / (step - self._first) * (self._steps - step)
            self._say(f"step {step}/{self._steps}: {note}, {left:.0f} s left")

    def _on_evaluated(self, event: Mapping[str, Any]) -> None:
        shown = ", ".join(
            f"{name} {value:.4f}" for name, value in event["metrics"].items() if "weighted" not in name
        )
        best = " (best)" if event["best"] else ""
        loss = "not finite" if event["loss"] is None else f"{event['loss']:.4f}"
        self._say(f"{_phase(event)}step {event['step']}: validation loss {loss}, {shown}{best}")

    def _on_training_finished(self, event: Mapping[str, Any]) -> None:
        self.close()
        best = "" if event["best_step"] is None else f"; the best is step {event['best_step']}"
        self._say(f"{_phase(event)}training ended at step {event['step']}{best}")

    def _on_selected(self, event: Mapping[str, Any]) -> None:
        how = f"{event['folds']} folds" if event["folds"] > 1 else "validation"
        found = {one["step"]: one for one in event["evaluations"]}
        chosen, best = (found[event[name]] for name in ("step", "best_step"))
        compared = "is the best"
        if chosen is not best:
            value = best["metrics"][event["metric"]]
            compared = f"is not clearly worse than {value:.4f} after {best['share']:.0%}"
        metric, value = event["metric"], chosen["metrics"][event["metric"]]
        steps = f"{chosen['share']:.0%} of the steps"
        self._say(f"{how}: {metric} {value:.4f} on {event['rows']:,} rows held out after {steps} {compared}")

    def _on_refit_started(self, event: Mapping[str, Any]) -> None:
        what = "the head alone starts anew" if not event["share"] else "all starts anew and trains as long"
        self._say(f"refit on all {event['rows']:,} rows of training and validation: {what}")

    def _on_micro_batch_halved(self, event: Mapping[str, Any]) -> None:
        self._say(f"out of memory in step {event['step']}: from now on at most {event['rows']} rows at once")

    def _on_seed_started(self, event: Mapping[str, Any]) -> None:
        self._say(f"-- seed {event['seed']} ({event['number']} of {event['seeds']})", "bold")

    def _on_fold_started(self, event: Mapping[str, Any]) -> None:
        self._say(f"-- fold {event['number']} of {event['folds']}", "bold")

    def _on_seeds_finished(self, event: Mapping[str, Any]) -> None:
        self._say(
            f"the seed with the best validation {event['metric']} is {event['chosen']}; its model is kept"
        )

    def _on_vocabulary_pruned(self, event: Mapping[str, Any]) -> None:
        self._say(
            f"vocabulary: {event['pieces_before']:,} pieces to {event['pieces_after']:,}; of {event['inputs']} inputs"
            f" {event['inputs_split_otherwise']} are split otherwise, {event['answers_that_flip']} answers flip;"
            f" unknown pieces {event['unknown_before']:.2%} to {event['unknown_after']:.2%}"
        )

    def _on_variant_exported(self, event: Mapping[str, Any]) -> None:
        parity = event["parity"]
        self._say(
            f"{event['variant']}: {event['bytes'] / 1e6:.1f} MB; against torch on {parity['rows']} rows: logits differ"
            f" by at most {parity['max_abs_diff']:.2g}, {len(parity['flips'])} answers flip"
        )


def _phase(event: Mapping[str, Any]) -> str:
    """Which of several trainings of one run it is of, for the front of a line."""
    return f"{event['phase']}, " if "phase" in event else ""


class QueueProgress:
    """Shows the runs of a queue: one live table on a terminal, elsewhere a line whenever a run's status changes.

    Args:
        console: where to.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live = Live(console=console, auto_refresh=False) if console.is_terminal else None
        self._shown: dict[str, tuple[str, str]] = {}
        self._last_line = time.monotonic()
        if self._live is not None:
            self._live.start()

    def __call__(self, entries: Sequence[Entry]) -> None:
        """Show the runs as they are now."""
        if self._live is not None:
            table = Table("spec", "status", "newest result", box=None, pad_edge=False, header_style="bold")
            for entry in entries:
                table.add_row(*map(Text, (entry.name, entry.status, entry.note)))
            self._live.update(table, refresh=True)
            return
        due = time.monotonic() - self._last_line >= _PLAIN_EVERY
        for entry in entries:
            key, now = str(entry.folder.path), (entry.status, entry.note)
            before = self._shown.get(key)
            if before is None or before[0] != now[0] or (due and before != now):
                self._shown[key] = now
                self._last_line = time.monotonic()
                note = f": {entry.note}" if entry.note else ""
                self._console.print(f"{entry.name}: {entry.status}{note}", markup=False, highlight=False)

    def close(self) -> None:
        """Leave the table as it is."""
        if self._live is not None:
            self._live.stop()
