"""`ftcore validate SPEC...`: every error of every spec, without importing anything heavy."""

from __future__ import annotations

import argparse
from typing import Any

from ftcore.cli.options import Subparsers, add_command, add_spec, registry, resolve
from ftcore.errors import ExitCode, UserError


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "validate", run, "check spec files and the files they name; trains nothing"
    )
    add_spec(parser, many=True)
    parser.add_argument("--json", action="store_true", help="print the verdicts and errors as JSON")


def run(args: argparse.Namespace) -> int:
    """Check each spec; exit code 2 if any is not valid."""
    from ftcore.cli.console import print_error, print_json, print_text

    plugins = registry(args)
    verdicts: list[dict[str, Any]] = []
    for argument in args.specs:
        verdict: dict[str, Any] = {"spec": argument, "valid": False, "task": None, "errors": []}
        verdicts.append(verdict)
        try:
            resolved = resolve(argument, args, plugins)
        except UserError as error:
            verdict["errors"] = _as_json(error, argument)
            if not args.json:
                print_error(error)
            continue
        verdict.update(valid=True, task=resolved.spec.task)
        if not args.json:
            print_text(f"{argument}: valid, task {resolved.spec.task}")
    if args.json:
        print_json(verdicts)
    return ExitCode.OK if all(verdict["valid"] for verdict in verdicts) else ExitCode.BAD_INPUT


def _as_json(error: UserError, argument: str) -> list[dict[str, Any]]:
    from ftcore.spec import Diagnostic, SpecError

    if isinstance(error, SpecError):
        return [diagnostic.as_json() for diagnostic in error.diagnostics]
    return [Diagnostic("spec", error.what, error.where or argument, error.hint).as_json()]
