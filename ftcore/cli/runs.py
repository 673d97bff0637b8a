"""`ftcore runs`: the runs there are, newest first."""

from __future__ import annotations

import argparse
from typing import Any

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_runs_dir
from ftcore.errors import ExitCode, UserError


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "runs", run, "list the runs there are, newest first")
    add_runs_dir(parser)
    parser.add_argument("--json", action="store_true", help="print the records as JSON")


def run(args: argparse.Namespace) -> int:
    """List them; exit code 2 where a record cannot be read, after all that can."""
    from ftcore.cli.console import print_error, print_json, print_table, print_text
    from ftcore.runs.folder import find_runs
    from ftcore.runs.status import status_of

    records: list[dict[str, Any]] = []
    damaged: list[UserError] = []
    for folder in find_runs(args.runs_dir):
        try:
            records.append({"path": str(folder.path), **folder.record(), "status": status_of(folder)})
        except UserError as error:
            damaged.append(error)
    if args.json:
        print_json(records)
    elif records:
        rows = [
            [one["path"], one["task"], one["status"], ", ".join(map(str, one["steps"]))] for one in records
        ]
        print_table(["run", "task", "status", "steps done"], rows)
    elif not damaged:
        print_text(f"no runs in {args.runs_dir}")
    for found in damaged:
        print_error(found)
    return ExitCode.BAD_INPUT if damaged else ExitCode.OK
