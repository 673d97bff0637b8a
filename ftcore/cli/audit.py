"""`ftcore audit SPEC`: what is in the rows before anything is learnt from them, and what a training will take."""

from __future__ import annotations

import argparse
from pathlib import Path

from ftcore.cli.options import Subparsers, add_command, add_spec, resolve
from ftcore.errors import ExitCode

_EPILOG = """\
The base model reads 10,000 rows at most (2,000 where `ftcore run` looks at them), and trains on some of them for a few
steps. An error is what `ftcore run` would end with: more rows of training among those held out than `data.max_leakage`
allows, or a tokenizer that does not know most words.

    ftcore audit spec.yaml
    ftcore audit spec.yaml --html audit.html
    ftcore audit spec.yaml --json | jq '.findings[] | select(.check == "leakage") | .examples'
"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers,
        "audit",
        run,
        "look at all rows (copies, labels, texts that do not belong), and measure what a training will take",
    )
    parser.epilog = _EPILOG
    add_spec(parser)
    parser.add_argument("--json", action="store_true", help="print all that was found as JSON")
    parser.add_argument(
        "--html",
        metavar="FILE",
        type=Path,
        help="write it as a page, with all rows that are kept of each finding",
    )
    parser.add_argument(
        "--rows-only",
        action="store_true",
        help="leave the base model out: no tokens, no labels that are likely wrong, no estimate; needs no torch",
    )
    parser.add_argument("-v", "--verbose", action="store_true", help="print ten rows of each finding")


def run(args: argparse.Namespace) -> int:
    """Look, and print; exit code 2 if a run would not begin."""
    from ftcore.cli.audit_summary import print_audit
    from ftcore.cli.console import print_json, write_output
    from ftcore.cli.progress import spinning
    from ftcore.families.bound import BoundFamily
    from ftcore.runs.auditing import audit_of
    from ftcore.runs.rows import reading

    resolved = resolve(args.spec, args)
    reader = BoundFamily(resolved.task.family, resolved.spec).reader
    with spinning("looking at the rows") as spinner:
        with reading(resolved, reader) as splits:
            found = audit_of(reader, splits, resolved.base_dir.resolve())
        if not args.rows_only:
            spinner.show("reading rows with the base model, and timing a few steps of training")
            from ftcore.audit.outside import audit_with_base

            found = audit_with_base(resolved, found)
    if args.html is not None:
        from ftcore.report.audit import render_audit

        write_output(args.html, render_audit(resolved.name, found).encode())
    if args.json:
        print_json(found.to_json())
    else:
        print_audit(args.spec, found, verbose=args.verbose)
    return ExitCode.BAD_INPUT if found.errors else ExitCode.OK
