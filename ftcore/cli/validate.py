"""`ftcore validate SPEC...`: every error of every spec and of the rows that it names, without importing torch."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import Subparsers, add_command, add_spec, registry, resolve
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.data import Splits


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "validate", run, "check spec files, the files they name and every row; trains nothing"
    )
    add_spec(parser, many=True)
    parser.add_argument("--no-data", action="store_true", help="check the specs and leave the rows unread")
    parser.add_argument(
        "--show-mask",
        action="store_true",
        help="of tasks that write texts, print the tokens of the first rows and which of them are learnt (needs torch)",
    )
    parser.add_argument("--json", action="store_true", help="print the verdicts and errors as JSON")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="print the rows of each split and label as well"
    )


def run(args: argparse.Namespace) -> int:
    """Check each spec; exit code 2 if any is not valid."""
    from ftcore.cli.console import print_error, print_json, print_text

    if args.show_mask and (args.json or args.no_data):
        raise UserError("goes with neither --json nor --no-data", where="--show-mask")
    plugins = registry(args)
    verdicts: list[dict[str, Any]] = []
    for argument in args.specs:
        verdict: dict[str, Any] = {"spec": argument, "valid": False, "task": None, "errors": []}
        verdicts.append(verdict)
        splits = None
        try:
            resolved = resolve(argument, args, plugins)
            if not args.no_data:
                from ftcore.runs.rows import check_inputs

                splits = check_inputs(resolved)
            if args.show_mask:
                from ftcore.cli.token_mask import print_mask

                print_mask(resolved)
        except UserError as error:
            verdict["errors"] = _as_json(error, argument)
            if not args.json:
                print_error(error)
            continue
        verdict.update(valid=True, task=resolved.spec.task)
        if args.verbose:
            verdict["data"] = None if splits is None else _data(splits)
        if not args.json:
            print_text(f"{argument}: valid, task {resolved.spec.task}")
            if splits is None and not args.no_data:
                print_text("  its rows are read by the run: they come from the Hub")
            elif splits is not None and args.verbose:
                _print_data(splits)
    if args.json:
        print_json(verdicts)
    return ExitCode.OK if all(verdict["valid"] for verdict in verdicts) else ExitCode.BAD_INPUT


def _data(splits: Splits) -> dict[str, Any]:
    """What was read, as JSON has it."""
    from dataclasses import asdict

    return {"report": asdict(splits.report), "labels": _label_counts(splits)}


def _label_counts(splits: Splits) -> dict[str, int]:
    from ftcore.families.reader import SupportsLabelCounts

    fitted = splits.fitted
    return dict(fitted.label_counts) if isinstance(fitted, SupportsLabelCounts) else {}


def _print_data(splits: Splits) -> None:
    from dataclasses import asdict

    from ftcore.cli.console import print_text
    from ftcore.cli.data_summary import data_warnings, label_lines, rows_line

    report = asdict(splits.report)
    for line in (rows_line(report), *label_lines(_label_counts(splits)), *data_warnings(report)):
        print_text(line)


def _as_json(error: UserError, argument: str) -> list[dict[str, Any]]:
    from ftcore.spec import Diagnostic, SpecError

    if isinstance(error, SpecError):
        return [diagnostic.as_json() for diagnostic in error.diagnostics]
    return [Diagnostic("spec", error.what, error.where or argument, error.hint).as_json()]
