"""`ftcore run SPEC`: train, evaluate and export, one after another; `--resume RUN` goes on with a stopped run."""

from __future__ import annotations

import argparse
from pathlib import Path

from ftcore.cli.options import Subparsers, add_command, add_spec
from ftcore.cli.work import add_runs_dir, new_run, resume_run, work
from ftcore.errors import ExitCode, UserError


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "run", run, "fine-tune, evaluate and export one spec")
    add_spec(parser, optional=True)
    add_runs_dir(parser)
    parser.add_argument(
        "--resume", metavar="RUN", type=Path, help="go on with this run in place of a new one"
    )


def run(args: argparse.Namespace) -> int:
    """Take every step, or those that the resumed run lacks."""
    if (args.spec is None) == (args.resume is None):
        raise UserError("give either a SPEC or --resume RUN", where="ftcore run")
    from ftcore.runs.folder import ALL_STEPS

    if args.resume is None:
        work(args, new_run(args), ALL_STEPS)
    elif args.overrides:
        raise UserError("a resumed run keeps its spec", where="--set", hint="start a new run")
    else:
        resume_run(args, args.resume)
    return ExitCode.OK
