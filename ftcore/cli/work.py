"""What run, train, evaluate and export share: a run with its progress on the console, and its summary."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore import processes
from ftcore.cli.options import RUNS_DIR, registry, resolve, run_path
from ftcore.errors import CheckFailed

if TYPE_CHECKING:
    from ftcore.runs.folder import RunFolder, Step
    from ftcore.runs.launch import Progress
    from ftcore.runs.workspace import Workspace


def add_runs_dir(parser: argparse.ArgumentParser, what: str = "where runs are kept") -> None:
    """`--runs-dir`."""
    parser.add_argument(
        "--runs-dir",
        metavar="DIR",
        type=Path,
        default=RUNS_DIR,
        help=f"{what} (default: runs/)",
    )


def add_no_audit(parser: argparse.ArgumentParser) -> None:
    """`--no-audit`, short for a value of the spec."""
    parser.add_argument(
        "--no-audit",
        dest="overrides",
        action="append_const",
        const="checks.audit=off",
        help="begin without a look at all rows; as --set checks.audit=off",
    )


def add_verbose(parser: argparse.ArgumentParser) -> None:
    """`--verbose`."""
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="every metric of every split and every label at the end"
    )


def add_observer(parser: argparse.ArgumentParser) -> None:
    """`--observer`."""
    parser.add_argument(
        "--observer",
        dest="observers",
        metavar="NAME",
        action="append",
        default=[],
        help="show the run to a tracker: mlflow, tensorboard, trackio or wandb; may be repeated",
    )


def add_run(parser: argparse.ArgumentParser) -> None:
    """The RUN argument."""
    parser.add_argument(
        "run_path",
        metavar="RUN",
        type=run_path,
        help="a run: its folder, the name of its spec (the newest run of it), or `latest`",
    )


def new_run(args: argparse.Namespace) -> RunFolder:
    """The folder of a new run of the SPEC argument; its observers have been found."""
    from ftcore.cli.progress import spinning
    from ftcore.runs.launch import begin

    args.observers = registry(args).chosen_observers(args.observers)
    with spinning("reading the rows"):
        return begin(lambda: resolve(args.spec, args), args.runs_dir)


def resume_run(args: argparse.Namespace, path: Path) -> None:
    """Take the steps that a run lacks, training from its newest checkpoint on."""
    from ftcore.runs.folder import open_run
    from ftcore.runs.launch import go_on

    folder, plugins = open_run(path), registry(args)
    observers = plugins.chosen_observers(args.observers)
    with _summary(args, folder), closing(_started()) as progress:
        go_on(folder.path, plugins, progress, observers)


def work(args: argparse.Namespace, folder: RunFolder, steps: Sequence[Step]) -> None:
    """Take these steps in this run, with progress, and end with a summary that says what to do next."""
    from ftcore.runs.launch import take

    with _summary(args, folder), closing(_started()) as progress:
        take(folder, steps, registry(args), progress, observers=getattr(args, "observers", ()))


def open_workspace(args: argparse.Namespace, folder: RunFolder) -> AbstractContextManager[Workspace]:
    """The workspace of a run, with progress on the console."""
    from ftcore.runs import launch

    return launch.open_workspace(folder, registry(args), _progress())


@contextmanager
def _summary(args: argparse.Namespace, folder: RunFolder) -> Iterator[None]:
    """Print the summary of what was done within, also where a check was not met."""
    from ftcore.cli.summary import print_summary

    try:
        yield
    except CheckFailed:
        print_summary(folder, verbose=args.verbose)
        raise
    if processes.is_first():
        print_summary(folder, verbose=args.verbose)


def _started() -> Progress:
    """The progress of steps that are about to be taken: the first thing that they do is to import torch."""
    progress = _progress()
    if processes.is_first():
        progress({"event": "activity", "what": "starting torch"})
    return progress


def _progress() -> Progress:
    from ftcore.cli.console import console
    from ftcore.cli.progress import RunProgress

    return RunProgress(console())
