"""`ftcore errors RUN`: the rows that a run got wrong, those that it was most certain of first."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.work import add_run
from ftcore.errors import ExitCode, UserError

_WIDTH = 80


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "errors", run, "list the rows that a run got wrong")
    add_run(parser)
    parser.add_argument("--label", metavar="LABEL", help="rows that have this label, or were given it")
    parser.add_argument("--slice", metavar="SLICE", help="rows of this slice of the spec's `slices`")
    parser.add_argument(
        "--split", choices=("test", "validation"), default="test", help="whose rows (default: test)"
    )
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="rows shown (default: 20; 0: all)")
    parser.add_argument("--json", action="store_true", help="JSON Lines of all of them, with whole texts")


def run(args: argparse.Namespace) -> int:
    """List them."""
    from ftcore.cli.console import print_text
    from ftcore.runs.predictions import read_marked, worst_errors
    from ftcore_runtime.terminal import json_text

    lines: Sequence[Mapping[str, Any]] = read_marked(args.run_path, args.split)
    which = ""
    for name, value, of in (("label", args.label, _labels), ("slice", args.slice, _slices)):
        if value is not None:
            known = {one for line in lines for one in of(line)}
            lines = [line for line in lines if value in of(line)]
            _require(lines, f"--{name}", value, known)
            which += f" of the {name} `{value}`"
    wrong = worst_errors(lines, len(lines))
    if args.json:
        for line in wrong:
            print_text(json_text(line))
        return ExitCode.OK
    print_text(f"{len(wrong):,} of {len(lines):,} {args.split} rows{which} are wrong")
    shown = wrong[: args.limit] if args.limit > 0 else wrong
    for line in shown:
        _print_row(line)
    if left := len(wrong) - len(shown):
        print_text(f"\n{left:,} more with --limit 0; whole texts with --json")
    return ExitCode.OK


def _print_row(line: Mapping[str, Any]) -> None:
    from ftcore.cli.console import print_text
    from ftcore.cli.summary import one_line, plain_input, plain_reference

    print_text(f"\n{line.get('row', '')}")
    answer = f"{plain_reference(line['reference'])} -> {line.get('summary', line['answer'])}"
    for text in (answer, plain_input(line["input"])):
        print_text(f"  {one_line(text, _WIDTH - 2)}")


def _labels(line: Mapping[str, Any]) -> set[str]:
    """The labels that a row has, or its entities, and those that it was given; of questions the answers themselves."""
    reference, answer = line["reference"], line["answer"]
    given = answer.get("labels", answer.get("entities", [answer.get("label", answer.get("text"))]))
    every = [*(reference if isinstance(reference, list) else [reference]), *given]
    labels = (one["label"] if isinstance(one, dict) else one for one in every)
    return {label for label in labels if isinstance(label, str)}


def _slices(line: Mapping[str, Any]) -> Iterable[str]:
    found: Iterable[str] = line.get("slices", ())
    return found


def _require(lines: Sequence[object], option: str, value: str, known: set[str]) -> None:
    if not lines:
        near = get_close_matches(value, known, n=1)
        hint = (
            f"did you mean `{near[0]}`?" if near else f"there are {', '.join(sorted(known)[:20]) or 'none'}"
        )
        raise UserError(f"no row of `{value}`", where=option, hint=hint)
