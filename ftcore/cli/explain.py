"""`ftcore explain`: which words of a text made its answer, and whether that holds. Occlusion needs no torch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.cli.options import Subparsers, add_bundle, add_command
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore_runtime.explanations.explanation import Explanation

_EPILOG = """\
A word's weight is what the answer's probability loses when the word is left out: above 0 it speaks for the answer,
below 0 against it. Faithfulness (ERASER) says what is lost without the best words, against random ones.

example: ftcore explain reviews --text "slow, but the food was great" --label negative --label positive
"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "explain", run, "show which words of a text made its answer")
    parser.epilog = _EPILOG
    add_bundle(parser)
    parser.add_argument("--text", metavar="TEXT", required=True, help="the text (of `qa`: the question)")
    parser.add_argument("--text-pair", metavar="TEXT", help="the second text (of `qa`: the context)")
    parser.add_argument(
        "--label",
        dest="targets",
        metavar="LABEL",
        action="append",
        default=[],
        help="what to explain in place of the answer; may be repeated (of `qa`: the text of another span)",
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="graphs that answer; the bundle's default if not given"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="the CPUs of this process if not given")
    parser.add_argument("--html", metavar="FILE", type=Path, help="write the explanation as one HTML file")
    parser.add_argument("--json", action="store_true", help="print the explanation as JSON")


def run(args: argparse.Namespace) -> int:
    """Explain."""
    from ftcore.cli.console import print_json, write_output
    from ftcore.cli.explanation_text import print_explanation
    from ftcore.cli.interruption import interruptible

    found = interruptible(lambda: _explained(args))
    if args.html is not None:
        from ftcore.report.explanation import render_explanation

        write_output(args.html, render_explanation(found).encode())
    if args.json:
        print_json(found.to_json())
    elif args.html is None:
        print_explanation(found)
    return ExitCode.OK


def _explained(args: argparse.Namespace) -> Explanation:
    from ftcore_runtime import Pipeline

    pipeline = Pipeline.load(args.bundle, args.variant, threads=args.threads)
    return pipeline.explain(_input(args, pipeline.fields, pipeline.required), args.targets)


def _input(args: argparse.Namespace, fields: Sequence[str], required: int) -> Mapping[str, str]:
    """The texts by field.

    Raises:
        UserError: there are more or fewer than the bundle answers.
    """
    texts = [args.text] if args.text_pair is None else [args.text, args.text_pair]
    if len(texts) < required:
        raise UserError(f"the bundle answers {' and '.join(fields)}: give both", where="--text-pair")
    if len(texts) > len(fields):
        raise UserError("the bundle answers single texts", where="--text-pair", hint="leave it out")
    return dict(zip(fields, texts, strict=False))
