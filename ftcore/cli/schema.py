"""`ftcore schema [TASK]`: JSON Schema of specs, for editors."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command, registry
from ftcore.errors import ExitCode, PluginError


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "schema", run, "print the JSON Schema of a task's specs, or of every task's"
    )
    parser.add_argument(
        "task", metavar="TASK", nargs="?", help="a task's id; every task that loads if not given"
    )


def run(args: argparse.Namespace) -> int:
    """Print the schema. Without TASK, plugins that do not load are left out, and named on stderr."""
    from ftcore.cli.console import print_error, print_json
    from ftcore.spec.schema import catalog_schema, task_schema

    plugins = registry(args)
    if args.task is not None:
        print_json(task_schema(plugins.load(args.task).task))
        return ExitCode.OK
    tasks = []
    for task_id in dict.fromkeys(info.id for info in plugins.infos()):
        try:
            tasks.append(plugins.load(task_id).task)
        except PluginError as error:
            print_error(error)
    print_json(catalog_schema(tasks))
    return ExitCode.OK
