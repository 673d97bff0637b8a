"""`ftcore clean`: free the disk of what old runs do not need, after saying what that is."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_runs_dir
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.runs.cleaning import Part

_EPILOG = """\
Without --yes nothing is deleted: it says what would be.

What goes: the checkpoints of finished runs, and model and bundle of those that are neither the last run of their spec
nor the best (by the monitored metric on validation). Record, spec, events, metrics, predictions and report of every run
stay, and so does all of a run that is not finished.
"""

_NO_RUNS = "there are no runs at all: name the folder that they are in with --runs-dir"


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "clean", run, "free the disk of what old runs do not need")
    parser.epilog = _EPILOG
    parser.add_argument("names", metavar="NAME", nargs="*", help="of specs; those of all if not given")
    add_runs_dir(parser)
    parser.add_argument("--yes", action="store_true", help="delete it")


def run(args: argparse.Namespace) -> int:
    """Say what may go, and delete it if asked to."""
    from ftcore.cli.console import print_table, print_text
    from ftcore.runs.cleaning import removable
    from ftcore.runs.folder import RunFolder
    from ftcore.runs.names import run_paths

    runs = [RunFolder(path) for path in run_paths(args.runs_dir)]
    known = {folder.path.parent.name for folder in runs}
    if strangers := [name for name in args.names if name not in known]:
        hint = f"runs there are of {', '.join(sorted(known))}" if known else _NO_RUNS
        raise UserError(f"no run of this name in {args.runs_dir}", where=strangers[0], hint=hint)
    parts = removable([one for one in runs if not args.names or one.path.parent.name in args.names])
    if not parts:
        print_text("nothing to free")
        return ExitCode.OK
    print_table(["folder", "MB", "why"], [[str(one.path), _megabytes([one]), one.why] for one in parts])
    if not args.yes:
        print_text(f"\n{_megabytes(parts)} MB would be freed; delete it with: ftcore clean --yes")
        return ExitCode.OK
    for part in parts:
        try:
            part.remove()
        except OSError as error:
            raise UserError(f"cannot be deleted: {error.strerror}", where=str(part.path)) from None
    print_text(f"\n{_megabytes(parts)} MB are freed")
    return ExitCode.OK


def _megabytes(parts: Sequence[Part]) -> str:
    return f"{sum(part.bytes for part in parts) / 1e6:,.1f}"
