"""`ftcore compare`: which run or bundle is better on the rows that all of them answered, or that nobody knows."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import RUNS_DIR, Subparsers, add_command, add_device, bundle_path
from ftcore.cli.table_options import add_table_options, any_table_option
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.evaluation.comparison import Compared, Line

_SHOWN = 5  # rows that changed, of each kind
_WIDTH = 80

_EPILOG = """\
Without --input, each SUBJECT is a run (its folder, the name of its spec, or `latest`), and they are compared on the
test rows that all of them measured. With --input, each is a bundle, or a run that has one, and all answer the rows of
FILE; this needs no torch.
"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "compare", run, "compare runs on their test rows, or bundles on a labelled file"
    )
    parser.epilog = _EPILOG
    parser.add_argument(
        "subjects",
        metavar="SUBJECT",
        nargs="+",
        help="two or more runs or bundles; each is compared with the first",
    )
    parser.add_argument("--input", metavar="FILE", help="labelled rows that bundles answer")
    parser.add_argument("--format", metavar="NAME", help="of FILE; said by the suffix if not given")
    add_table_options(
        parser, "the file's own names for the task's `data.columns` (default: those of the training rows)"
    )
    add_device(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="the CPUs of this process if not given")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the comparison as one HTML file")
    parser.add_argument("--json", action="store_true", help="print the comparisons as JSON")


def run(args: argparse.Namespace) -> int:
    """Compare each with the first."""
    from ftcore.cli.console import print_json, print_text
    from ftcore.runs.comparison import answers_of_runs, compare_answers

    if len(args.subjects) < 2:
        raise UserError("give two runs or more", where="ftcore compare")
    if args.input is None and (any_table_option(args) or args.format or args.threads or args.device != "cpu"):
        raise UserError("this goes with --input FILE", where="ftcore compare")
    answered = _bundles(args) if args.input is not None else answers_of_runs(args.subjects, RUNS_DIR)
    found, left_out = compare_answers(*answered)
    if args.html is not None:
        _write_html(args.html, found, left_out)
    if args.json:
        print_json([one.to_json() for one in found])
        return ExitCode.OK
    if left_out:
        print_text(f"warning: {left_out:,} rows are not in all of the runs and do not count")
    for one in found:
        print_text(one.sentence)
        for title, rows in (("right now", one.fixed), ("wrong now", one.broken)):
            _print_rows(title, rows[:_SHOWN])
    return ExitCode.OK


def _bundles(args: argparse.Namespace) -> tuple[list[str], list[Iterable[Line]]]:
    """Names of bundles, and their answers to the rows of the input."""
    from ftcore.cli.evaluate_bundle import measured
    from ftcore.runs.names import refuse_repeats

    args.variant = None
    answered: list[Iterable[Line]] = []
    paths = [bundle_path(subject) for subject in args.subjects]
    refuse_repeats(args.subjects, paths)
    for subject, path in zip(args.subjects, paths, strict=True):
        with measured(path, args) as (_, _, found):
            lines = list(found.lines())
        if not all("correct" in line for line in lines):
            raise UserError("its answers are not simply right or wrong", where=subject)
        answered.append(lines)
    return list(args.subjects), answered


def _write_html(path: Path, found: Sequence[Compared], left_out: int) -> None:
    from ftcore.cli.console import write_output
    from ftcore.report.comparison import render_comparison

    write_output(path, render_comparison(found, left_out).encode())


def _print_rows(title: str, rows: Sequence[tuple[Any, Any]]) -> None:
    from ftcore.cli.console import print_text
    from ftcore.cli.summary import one_line, plain_input

    for before, after in rows:
        text = f"{title}: {before['summary']} -> {after['summary']}: {plain_input(after['input'])}"
        print_text("  " + one_line(text, _WIDTH - 2))
