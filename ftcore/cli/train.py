"""`ftcore train SPEC`: a new run that only trains."""

from __future__ import annotations

import argparse

from ftcore.cli.options import Subparsers, add_command, add_spec
from ftcore.cli.work import add_no_audit, add_observer, add_runs_dir, add_verbose, new_run, work
from ftcore.errors import ExitCode


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "train", run, "fine-tune one spec; evaluate and export come later")
    add_spec(parser)
    add_runs_dir(parser)
    add_no_audit(parser)
    add_observer(parser)
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Train."""
    work(args, new_run(args), ["train"])
    return ExitCode.OK
