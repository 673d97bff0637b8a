"""`ftcore tasks`: the catalog of tasks, and the task files that are shipped for them. Imports no plugin."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command, registry
from ftcore.errors import ExitCode


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "tasks", run, "list the tasks and the shipped task files")
    parser.add_argument("--json", action="store_true", help="print the lists as JSON")


def run(args: argparse.Namespace) -> int:
    """Print both lists."""
    from ftcore.catalog import task_files
    from ftcore.cli.console import print_json, print_table, print_text

    infos = registry(args).infos()
    files = task_files()
    if args.json:
        listed = [
            {"name": file.name, "task": file.task, "summary": file.summary, "path": str(file.path)}
            for file in files
        ]
        print_json({"tasks": [info.as_json() for info in infos], "files": listed})
        return ExitCode.OK
    rows = [(info.id, info.origin, _summary(info.status, info.summary)) for info in infos]
    print_table(("task", "origin", "summary"), rows)
    if files:
        print_text("")
        print_table(
            ("task file", "task", "summary"), [(file.name, file.task, file.summary) for file in files]
        )
        print_text(f"\nstart one with: ftcore run {files[0].name}")
    return ExitCode.OK


def _summary(status: str, summary: str) -> str:
    return summary if status == "available" else f"[{status}] {summary}"
