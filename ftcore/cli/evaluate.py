"""`ftcore evaluate`: measure a run's model on its validation and test rows, or a bundle on any labelled file."""

from __future__ import annotations

import argparse
from pathlib import Path

from ftcore.cli.options import Subparsers, add_command, add_device, bundle_path, run_path
from ftcore.cli.table_options import add_table_options, any_table_option
from ftcore.cli.work import add_verbose, work
from ftcore.errors import ExitCode, UserError

_EPILOG = """\
Without --input, SUBJECT is a run (its folder, the name of its spec, or `latest`), whose model is measured with torch on
its own validation and test rows.

With --input, SUBJECT is a bundle, or a run that has one. It answers the rows of FILE, which is in any format that the
task is trained from, and its answers are measured by the code that measured the run: the same rows give the same
figures. This needs no torch.
"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    summary = "measure a run on its validation and test rows, or a bundle on a labelled file"
    parser = add_command(subparsers, "evaluate", run, summary)
    parser.epilog = _EPILOG
    parser.add_argument(
        "subject", metavar="SUBJECT", help="a run; with --input a bundle, or a run that has one"
    )
    parser.add_argument("--input", metavar="FILE", help="labelled rows; Parquet also in a store (s3://...)")
    parser.add_argument("--format", metavar="NAME", help="of FILE; by its suffix if not given")
    add_table_options(
        parser, "the file's own names for the task's `data.columns` (default: those of the training rows)"
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="graphs that answer; the bundle's default if not given"
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=Path,
        help="a line of JSON for each row: what was answered and what is right",
    )
    add_device(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="the CPUs of this process if not given")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    add_verbose(parser)


def run(args: argparse.Namespace) -> int:
    """Measure."""
    if args.input is not None:
        from ftcore.cli.evaluate_bundle import evaluate_bundle

        return evaluate_bundle(bundle_path(args.subject), args)
    given = args.format or args.variant or args.output or args.threads or args.json or args.device != "cpu"
    if any_table_option(args) or given:
        what = "only --verbose goes without --input"
        raise UserError(what, where="ftcore evaluate", hint="a bundle is measured with --input FILE")
    from ftcore.runs.folder import open_run

    work(args, open_run(run_path(args.subject)), ["evaluate"])
    return ExitCode.OK
