"""`ftcore explain`: which words of a text made its answer, and whether that holds. Occlusion needs no torch."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.cli.given_texts import given_input
from ftcore.cli.options import Subparsers, add_command, bundle_path, run_path
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore_runtime.explanations.explanation import Explanation

_GRADIENTS = ("gradients", "gradient-x-input")
_METHODS = ("occlusion", *_GRADIENTS, "attention", "raw-attention")

_EPILOG = """\
methods:
  occlusion      what the answer's probability loses when a word is left out; any bundle, without torch
  gradients      layer integrated gradients: what a word adds to the log-odds of a label, or to a number; a run
  gradient-x-input
                 the same from a single gradient: what the one before is compared with; a run
  attention, raw-attention
                 what tokens read from one another, through all layers or in the last: a picture, no explanation; a run

A weight above 0 speaks for the answer, one below 0 against it. Faithfulness (ERASER) says what is lost without the best
words, against random ones.

examples:
  ftcore explain reviews --global
  ftcore explain reviews --sanity --method gradients
  ftcore explain reviews --text "slow, but the food was great" --label negative --label positive
"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "explain", run, "show which words of a text made its answer")
    parser.epilog = _EPILOG
    parser.add_argument(
        "subject",
        metavar="SUBJECT",
        help="the folder of a bundle; or a run: its folder, the name of its spec, or `latest`",
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--text", metavar="TEXT", help="the text (of `qa`: the question)")
    what.add_argument(
        "--global",
        dest="everything",
        action="store_true",
        help="of a run: the words that drive each label on validation rows, and training rows like its worst errors;"
        " kept in its explanations.json and report",
    )
    what.add_argument(
        "--sanity",
        action="store_true",
        help="of a run: how far its explanations of validation rows stay as they are when the model's weights are"
        " random, first those of its head, then all",
    )
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
        "--method", choices=_METHODS, default="occlusion", help="see below (default: occlusion)"
    )
    parser.add_argument(
        "--rows",
        type=int,
        metavar="N",
        help="validation rows of --global (default: 200) or of --sanity (default: 50)",
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

    if args.everything:
        _check_rows(args, wrong={"--method": args.method != "occlusion"})
        from ftcore.cli.explain_run import explain_run

        explain_run(args, run_path(args.subject))
        return ExitCode.OK
    if args.sanity:
        _check_rows(args, wrong={f"--method {args.method}": args.method not in ("occlusion", *_GRADIENTS)})
        from ftcore.cli.explain_sanity import explain_sanity

        explain_sanity(args, run_path(args.subject))
        return ExitCode.OK
    if args.method == "occlusion":
        bundle = bundle_path(args.subject)
        found = interruptible(lambda: _by_bundle(args, bundle))
    else:
        found = _by_run(args)
    if args.html is not None:
        from ftcore.report.explanation import render_explanation

        write_output(args.html, render_explanation(found).encode())
    if args.json:
        print_json(found.to_json())
    elif args.html is None:
        print_explanation(found)
    return ExitCode.OK


def _check_rows(args: argparse.Namespace, wrong: Mapping[str, bool]) -> None:
    """Refuse options that go with a text.

    Args:
        wrong: others, with whether they are given.
    """
    given = {
        "--text-pair": args.text_pair,
        "--label": args.targets,
        "--html": args.html,
        "--variant": args.variant,
        "--threads": args.threads is not None,
        **wrong,
    }
    if name := next((name for name, value in given.items() if value), None):
        raise UserError("goes with --text", where=name)
    if args.rows is not None and args.rows < 1:
        raise UserError("must be at least 1", where="--rows")


def _by_bundle(args: argparse.Namespace, bundle: Path) -> Explanation:
    from ftcore_runtime import Pipeline

    pipeline = Pipeline.load(bundle, args.variant, threads=args.threads)
    item = given_input(args.text, args.text_pair, pipeline.fields, pipeline.required)
    return pipeline.explain(item, args.targets)


def _by_run(args: argparse.Namespace) -> Explanation:
    """By the run's own model, in torch.

    Raises:
        UserError: it is no run, or options of bundles were given.
    """
    if args.variant is not None or args.threads is not None:
        where = "--variant" if args.variant is not None else "--threads"
        raise UserError("goes with --method occlusion", where=where)
    if args.targets and args.method not in _GRADIENTS:
        raise UserError("attention is of no label", where="--label", hint="leave it out")
    if (Path(args.subject) / "bundle.json").is_file():
        hint = "name the run that it is of, or use --method occlusion"
        raise UserError("is a bundle, and this needs the run's model", where=args.subject, hint=hint)
    path = run_path(args.subject)
    from ftcore.cli.work import open_workspace
    from ftcore.evaluation.answering_model import AnsweringModel
    from ftcore.evaluation.attention import attention_picture
    from ftcore.evaluation.gradients import explain_by_gradients
    from ftcore.runs.folder import open_run

    with open_workspace(args, open_run(path)) as workspace:
        answers = AnsweringModel(workspace.fine_tuned(), workspace.family, workspace.encoder)
    item = given_input(args.text, args.text_pair, answers.decoder.fields, answers.decoder.required)
    if args.method in _GRADIENTS:
        return explain_by_gradients(answers, item, args.targets, method=args.method)
    return attention_picture(answers, item, args.method)
