"""`ftcore export RUN`: write a run's bundle, each variant compared with torch on real rows."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_run, add_verbose, work
from ftcore.errors import ExitCode


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "export", run, "write a run's bundle, each variant compared with torch on real rows"
    )
    add_run(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Take the step."""
    from ftcore.runs.folder import open_run

    work(args, open_run(args.run_path), ["export"])
    return ExitCode.OK
