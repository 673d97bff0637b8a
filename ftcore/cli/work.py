"""What run, train, evaluate and export share: a workspace with progress on the console, and its summary."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore import processes
from ftcore.cli.options import RUNS_DIR, run_path
from ftcore.errors import CheckFailed, Interrupted

if TYPE_CHECKING:
    from ftcore.runs.folder import RunFolder, Step
    from ftcore.runs.workspace import Workspace


def add_runs_dir(parser: argparse.ArgumentParser) -> None:
    """`--runs-dir`."""
    parser.add_argument(
        "--runs-dir",
        metavar="DIR",
        type=Path,
        default=RUNS_DIR,
        help="where runs are kept (default: runs/)",
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


def add_run(parser: argparse.ArgumentParser) -> None:
    """The RUN argument."""
    parser.add_argument(
        "run_path",
        metavar="RUN",
        type=run_path,
        help="a run: its folder, the name of its spec (the newest run of it), or `latest`",
    )


def new_run(args: argparse.Namespace) -> RunFolder:
    """The folder of a new run of the SPEC argument; of several processes the first makes it for all.

    There is none before the rows have been read: what a run cannot learn from leaves nothing behind.
    """
    from ftcore.cli.options import resolve
    from ftcore.runs.folder import RunFolder, create_run

    processes.meet()
    path = ""
    if processes.is_first():
        from ftcore.training.stopping import listen

        with listen():
            from ftcore.runs.rows import check_inputs

            resolved = resolve(args.spec, args)
            check_inputs(resolved, audit=True)
        path = str(create_run(resolved, args.runs_dir).path)
    return RunFolder(Path(processes.share_text(path)))


def resume_run(args: argparse.Namespace, path: Path) -> None:
    """Take the steps that a run lacks, training from its newest checkpoint on."""
    from ftcore.runs.folder import ALL_STEPS, open_run

    folder = open_run(path)
    record = folder.record()
    steps = [step for step in ALL_STEPS if step not in record["steps"]]
    work(args, folder, steps, resume=record["status"] != "waiting")


def work(args: argparse.Namespace, folder: RunFolder, steps: Sequence[Step], *, resume: bool = False) -> None:
    """Take these steps in this run, with progress, and end with a summary that says what to do next."""
    from ftcore.runs.status import at_work
    from ftcore.training.stopping import listen

    try:
        # Before anything heavy is imported, so that a stop finds somebody who listens from the first moment on.
        with listen() as stop, at_work(folder):
            from ftcore.runs.steps import take_steps

            processes.meet()
            with open_workspace(args, folder) as workspace:
                take_steps(workspace, steps, stop, resume=resume)
    except Interrupted as stop:
        raise Interrupted(
            stop.exit_code, f"interrupted; resume it with: ftcore resume {folder.path}"
        ) from None
    except CheckFailed:
        _finish(args, folder)
        raise
    if processes.is_first():
        _finish(args, folder)


def _finish(args: argparse.Namespace, folder: RunFolder) -> None:
    """Write the report of what was measured, and print the summary."""
    from ftcore.cli.summary import print_summary

    if folder.metrics_file.exists():
        from ftcore.report.render import write_report

        write_report(folder)
    print_summary(folder, verbose=args.verbose)


@contextmanager
def open_workspace(args: argparse.Namespace, folder: RunFolder) -> Iterator[Workspace]:
    """The workspace of a run, with progress on the console."""
    from ftcore.cli.console import console
    from ftcore.cli.options import registry
    from ftcore.cli.progress import RunProgress
    from ftcore.runs.folder import plugin_record, reload_spec
    from ftcore.runs.workspace import Workspace

    plugins = registry(args)
    spec, task = reload_spec(folder, plugins)
    observers, problems = plugins.observers() if processes.is_first() else ([], [])
    progress = RunProgress(console())
    try:
        workspace = Workspace(folder, spec, task, (progress,), observers)
        for problem in problems:
            workspace.events.warn(f"{problem} (the run goes on without it)")
        if observers:
            folder.update(observers=[plugin_record(observer) for observer in observers])
        yield workspace
    finally:
        progress.close()
