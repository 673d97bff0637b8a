"""`ftcore explain RUN --global`: the words that drive each label, and training rows like the worst errors."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ftcore.cli.console import print_json, print_text
from ftcore.cli.progress import spinning
from ftcore.cli.summary import one_line, plain_input, plain_reference
from ftcore.cli.work import open_workspace
from ftcore.errors import UserError
from ftcore.files import write_json
from ftcore.report.render import write_report
from ftcore.runs.explaining import explain_errors, explain_labels
from ftcore.runs.folder import open_run
from ftcore.runs.similar_rows import similar_rows

_ROWS = 200  # unless --rows says otherwise
_WIDTH = 80


def explain_run(args: argparse.Namespace, path: Path) -> None:
    """Explain, keep what was found in explanations.json and the report, and print it.

    Raises:
        UserError: the run has no bundle, was not evaluated, or its answers are no labels.
    """
    folder = open_run(path)
    if not (folder.bundle / "bundle.json").is_file():
        hint = f"make it with: ftcore export {path}"
        raise UserError("this run has no bundle yet", where=str(path), hint=hint)
    with spinning("looking for the words that drive each label") as spinner:
        labels = explain_labels(folder, args.rows or _ROWS)
        spinner.show("explaining the worst errors")
        errors = explain_errors(folder)
        spinner.show("looking for training rows like them")
        with open_workspace(args, folder) as workspace:
            near = similar_rows(workspace, [error["input"] for error in errors])
        if near is not None:
            errors = [{**error, "similar": rows} for error, rows in zip(errors, near, strict=True)]
        found = {"errors": errors, "labels": labels}
        write_json(folder.explanations_file, found)
        if folder.metrics_file.exists():
            spinner.show("drawing the report")
            write_report(folder)
    if args.json:
        print_json(found)
        return
    _print_labels(labels)
    for error in errors:
        _print_error(error)
    print_text(f"\nwith all words in {folder.report_file} and {folder.explanations_file}")


def _print_labels(labels: Mapping[str, Any]) -> None:
    print_text(f"words that drive each label, over {labels['rows']:,} validation rows")
    for label, words in labels["labels"].items():
        print_text(f"\n{label}")
        for one in words:
            interval = f"[{one['low']:+.3f}, {one['high']:+.3f}]"
            print_text(f"  {one['weight']:+.3f} {interval}  {one['word']} ({one['count']} rows)")
        if not words:
            print_text("  no word clearly, of those in three rows or more")
    for pair in labels["confused"]:
        words = ", ".join(one["word"] for one in pair["words"]) or "no word"
        text = f"{pair['reference']} taken for {pair['answered']} ({pair['rows']} rows): {words}"
        print_text(f"\n{one_line(text, _WIDTH)}")


def _print_error(error: Mapping[str, Any]) -> None:
    """An error with the words that speak most for it, and the training rows like it."""
    print_text(f"\nwrong: {error['row']}: {error['target']} {error['score']:.3f}")
    print_text(f"  {one_line(plain_input(error['input']), _WIDTH - 2)}")
    pieces = [piece for text in error["texts"].values() for piece in text if piece[1] is not None]
    best = sorted(pieces, key=lambda piece: -piece[1])[:3]
    print_text("  for it: " + ", ".join(f"{text} {weight:+.3f}" for text, weight in best))
    for row in error.get("similar", []):
        text = f"like it: {plain_reference(row['reference'])} {row['similarity']:.3f}: {row['text']}"
        print_text(f"  {one_line(text, _WIDTH - 2)}")
