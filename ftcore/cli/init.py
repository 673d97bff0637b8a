"""`ftcore init DATA`: a task file for rows never seen before, with what was assumed and how sure that is."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.cli.options import Subparsers, add_command, registry
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.drafting.spec_text import NewSpec


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(
        subparsers, "init", run, "look at a file or folder of rows, and write a task file that trains on it"
    )
    parser.add_argument(
        "data",
        metavar="DATA",
        help="CSV, TSV, JSON Lines, a JSON array, SQuAD, Parquet, Excel, CoNLL, gettext, one of two parallel text"
        " files, or a folder of texts a label or of Parquet; or Parquet in a store (s3://...)",
    )
    parser.add_argument(
        "--task", metavar="ID", help="the task, as `ftcore tasks` lists it (default: guessed)"
    )
    parser.add_argument(
        "--text", metavar="COLUMN", help="the column of the text that is read (default: guessed)"
    )
    parser.add_argument(
        "--label", metavar="COLUMN", help="the column of what is to be answered (default: guessed)"
    )
    parser.add_argument(
        "--base", metavar="MODEL", help="the base model (default: that of an installed package)"
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        type=Path,
        help="the task file (default: DATA's name with .yaml, here)",
    )
    parser.add_argument("--force", action="store_true", help="write over a file that is there")


def run(args: argparse.Namespace) -> int:
    """Look, write, and read back what was written as a run would."""
    from ftcore.cli.console import print_text, write_output
    from ftcore.cli.data_summary import split_sizes
    from ftcore.drafting.spec_text import new_spec
    from ftcore.runs.rows import check_inputs
    from ftcore.spec import load_spec

    plugins = registry(args)
    if args.task is not None:
        plugins.load(args.task)
    output = args.output or Path(f"{Path(args.data.rstrip('/')).stem}.yaml")
    if output.exists() and not args.force:
        raise UserError(
            "is there already", where=str(output), hint="give another --output, or --force to write over it"
        )
    made = new_spec(
        args.data, output.parent, task=args.task, text=args.text, label=args.label, base=args.base
    )
    for line in _found(args.data, made):
        print_text(line)
    write_output(output, made.text.encode())
    print_text(f"wrote {output}")
    resolved = load_spec(output, plugins)
    resolved.check_bases()
    splits = check_inputs(resolved)
    assert splits is not None  # no source of the Hub is written
    rows = split_sizes(splits.report.rows)
    print_text(f"{output}: valid, task {resolved.spec.task}; {rows}\nnext: ftcore run {output}")
    return ExitCode.OK


def _found(data: str, made: NewSpec) -> list[str]:
    from ftcore.drafting.spec_text import ANY_LENGTH, labels_and_rows

    columns, guess = made.columns, made.guess
    rows = (
        f"{columns.rows:,} rows"
        if columns.whole
        else f"more than {columns.rows:,} rows (these were looked at)"
    )
    lines = [f"{data}: {made.sniffed.says}, {rows}, columns {', '.join(columns.named)}"]
    lines.append(f"task: {guess.task} ({guess.sure}: {guess.why})")
    if guess.labels:
        lines.append(f"labels: {labels_and_rows(guess.labels)}")
    lines += [f"left out: {count:,} rows without {name!r}" for name, count in made.missing.items()]
    if made.duplicates:
        lines.append(
            f"duplicates: {made.duplicates:,} rows have a text that an earlier one has; they stay in one split"
        )
    lines += [f"{name}: {path}, found next to it" for name, path in made.splits.items()]
    if made.base is None:
        lines.append("base: none at hand writes texts: marian-small is trained from scratch")
    else:
        tokens = "" if guess.task in ANY_LENGTH else f", {made.base.max_length} tokens a text"
        lines.append(f"base: {made.base.ref} ({made.base.why}){tokens}")
        if made.base.warning:
            lines.append(f"warning: {made.base.warning}")
    return lines
