"""`ftcore resume RUN`: go on with a stopped run from its newest whole checkpoint."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_observer, add_run, add_verbose, resume_run
from ftcore.errors import ExitCode


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "resume", run, "go on with a stopped run from its newest checkpoint")
    add_run(parser)
    add_observer(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Take the steps that the run lacks."""
    resume_run(args, args.run_path)
    return ExitCode.OK
