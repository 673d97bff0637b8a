"""`ftcore explain RUN --sanity`: whether its explanations rest on what the model learnt."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.cli.console import print_json, print_table, print_text
from ftcore.cli.work import open_workspace
from ftcore.evaluation.answering_model import AnsweringModel
from ftcore.evaluation.weight_randomisation import ALL, HEAD, compare_with_random_weights
from ftcore.runs.folder import open_run

if TYPE_CHECKING:
    from ftcore.evaluation.intervals import Interval
    from ftcore.evaluation.weight_randomisation import WeightRandomisation

_ROWS = 50  # unless --rows says otherwise
_PARTS = {HEAD: "in the head", ALL: "everywhere"}


def explain_sanity(args: argparse.Namespace, path: Path) -> None:
    """Compare, and print what was found.

    Raises:
        UserError: the run has no model, its answers cannot be explained by the method, or too few rows can be.
    """
    with open_workspace(args, open_run(path)) as workspace:
        table = workspace.splits["validation"].table.slice(0, args.rows or _ROWS)
        answers = AnsweringModel(workspace.fine_tuned(), workspace.family, workspace.encoder)
        inputs = workspace.family.reader.inputs(table)
    found = compare_with_random_weights(answers, inputs, args.method)
    if args.json:
        print_json(found.to_json())
        return
    print_text(
        f"explanations by {found.method} of {found.rows:,} validation rows, and by the same model with random weights"
    )
    rows = []
    for part, one in found.found.items():
        signed = _with_interval(one.mean, one.interval)
        rows.append([_PARTS[part], signed, _with_interval(one.sizes, one.sizes_interval)])
    print_table(["random", "rank correlation", "of sizes alone"], rows)
    print_text(f"\n{_conclusion(found)}")


def _with_interval(mean: float, interval: Interval) -> str:
    return f"{mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]"


def _conclusion(found: WeightRandomisation) -> str:
    """What the figures mean."""
    if found.passed:
        return (
            "they rest on what the model learnt: without it words are ranked otherwise. A correlation near 1 would say"
            " that they show the text and not the model"
        )
    return (
        "a high correlation: words are ranked much the same where the model has learnt nothing, so that these"
        " explanations show the text and not the model. Take another --method"
    )
