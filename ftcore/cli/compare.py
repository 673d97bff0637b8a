"""`ftcore compare RUN RUN...`: which run is better on the rows that all of them measured, or that nobody knows."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from ftcore.cli.options import Subparsers, add_command, run_path
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.evaluation.comparison import Paired

_Key: TypeAlias = tuple[str, str, int]

_SHOWN = 5  # rows that changed, of each kind
_WIDTH = 80


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "compare", run, "compare runs on the test rows that all of them measured"
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        type=run_path,
        help="two or more; each is compared with the first: its folder, the name of its spec, or `latest`",
    )
    parser.add_argument("--json", action="store_true", help="print the comparisons as JSON")


def run(args: argparse.Namespace) -> int:
    """Compare each run with the first."""
    import numpy as np

    from ftcore.cli.console import print_json, print_text
    from ftcore.evaluation.comparison import holm, paired, sentence

    if len(args.runs) < 2:
        raise UserError("give two runs or more", where="ftcore compare")
    first, *others = measured = [_measured(path) for path in args.runs]
    keys = [key for key in first if all(key in other for other in others)]
    if not keys:
        hint = "give both the same `data.test`"
        raise UserError("these runs have no test row in common", where="ftcore compare", hint=hint)
    right = [np.asarray([lines[key]["correct"] for key in keys], dtype=bool) for lines in measured]
    found = [paired(right[0], other) for other in right[1:]]
    p_values = holm([one.p_value for one in found])
    if args.json:
        print_json([_as_json(args.runs, i, keys, one, p_values[i]) for i, one in enumerate(found)])
        return ExitCode.OK
    if left_out := max(map(len, measured)) - len(keys):
        print_text(f"warning: {left_out:,} rows are not in all of the runs and do not count")
    for path, lines, one, p_value in zip(args.runs[1:], others, found, p_values, strict=True):
        print_text(sentence(args.runs[0].name, path.name, one, p_value))
        for title, rows in (("right now", one.fixed), ("wrong now", one.broken)):
            _print_rows(title, [(first[keys[i]], lines[keys[i]]) for i in rows[:_SHOWN]])
    return ExitCode.OK


def _as_json(
    runs: Sequence[Path], index: int, keys: Sequence[_Key], found: Paired, p_value: float
) -> dict[str, Any]:
    return {
        "first": str(runs[0]),
        "second": str(runs[index + 1]),
        "rows": found.rows,
        "difference": found.difference,
        "p_value": p_value,
        "fixed": [json.loads(keys[i][0]) for i in found.fixed],
        "broken": [json.loads(keys[i][0]) for i in found.broken],
    }


def _measured(path: Path) -> dict[_Key, dict[str, Any]]:
    """Lines of predictions.test.jsonl by input and reference, as JSON, and how many equal rows came before."""
    from ftcore.runs.predictions import read_marked

    seen: Counter[tuple[str, str]] = Counter()
    found = {}
    for line in read_marked(path, "test"):
        row = json.dumps(line["input"]), json.dumps(line["reference"])
        found[*row, seen[row]] = line
        seen[row] += 1
    return found


def _print_rows(title: str, rows: Sequence[tuple[dict[str, Any], dict[str, Any]]]) -> None:
    from ftcore.cli.console import print_text
    from ftcore.cli.summary import one_line

    for before, after in rows:
        text = f"{title}: {before['summary']} -> {after['summary']}: {after['input']}"
        print_text("  " + one_line(text, _WIDTH - 2))
