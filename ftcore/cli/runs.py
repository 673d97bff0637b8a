"""`ftcore runs`: the runs there are, newest first."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_runs_dir
from ftcore.errors import ExitCode


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "runs", run, "list the runs there are, newest first")
    add_runs_dir(parser)
    parser.add_argument("--json", action="store_true", help="print the records as JSON")


def run(args: argparse.Namespace) -> int:
    """List them."""
    from ftcore.cli.console import print_json, print_table, print_text
    from ftcore.runs.folder import find_runs
    from ftcore.runs.status import status_of

    found = find_runs(args.runs_dir)
    if args.json:
        print_json([{"path": str(run.path), **run.record(), "status": status_of(run)} for run in found])
        return ExitCode.OK
    if not found:
        print_text(f"no runs in {args.runs_dir}")
        return ExitCode.OK
    rows = []
    for folder in found:
        record = folder.record()
        rows.append([str(folder.path), record["task"], status_of(folder), ", ".join(record["steps"])])
    print_table(["run", "task", "status", "steps done"], rows)
    return ExitCode.OK
