"""Options that say how a file of rows is written, with those of the training rows as defaults."""

from __future__ import annotations

import argparse
from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from ftcore.errors import UserError

if TYPE_CHECKING:
    from ftcore_runtime.tables import TableOptions
    from ftcore_runtime.training_source import TrainingSource


def add_table_options(parser: argparse.ArgumentParser, columns: str) -> None:
    """`--columns`, `--delimiter`, `--quoting` and `--encoding`.

    Args:
        columns: help of `--columns`.
    """
    parser.add_argument(
        "--columns",
        action="extend",
        nargs="+",
        default=[],
        metavar="FIELD=NAME",
        help=columns,
    )
    parser.add_argument(
        "--delimiter",
        metavar="CHARACTER",
        help="between the fields of CSV (default: that of the training rows, else a comma)",
    )
    parser.add_argument(
        "--quoting",
        choices=("rfc4180", "none"),
        help="of CSV and TSV: whether fields may be in quotes, or a quote is a character like any other"
        " (default: as the training rows; else rfc4180 for CSV, none for TSV)",
    )
    parser.add_argument(
        "--encoding",
        metavar="NAME",
        help="of files of text (default: that of the training rows if they are in the same format, else utf-8)",
    )


def any_table_option(args: argparse.Namespace) -> bool:
    """Whether one of them was given."""
    return bool(args.columns or args.delimiter or args.quoting or args.encoding)


def table_options(
    args: argparse.Namespace, form: str, training: TrainingSource | None, needed: Mapping[str, str]
) -> TableOptions:
    """How a file of this format is written.

    Args:
        needed: columns that it must have -> what to do where it has none of the name.

    Raises:
        UserError: an option that the format has no use for, or that is no delimiter or encoding.
    """
    from ftcore_runtime.records import is_delimiter
    from ftcore_runtime.tables import TableOptions
    from ftcore_runtime.textfile import codec_of

    if args.encoding is not None:
        codec_of(args.encoding, "--encoding")
    if args.delimiter is not None and (form != "csv" or not is_delimiter(args.delimiter)):
        raise UserError(
            "is one character of csv, no quote and no line end",
            where="--delimiter",
            hint="for tabs: --format tsv",
        )
    if args.quoting is not None and form not in ("csv", "tsv"):
        raise UserError(f"does not apply to {form}", where="--quoting")
    like = TableOptions() if training is None else training.options_of(form)
    return TableOptions(
        args.encoding or like.encoding, args.delimiter or like.delimiter, args.quoting or like.quoting, needed
    )


def named_columns(pairs: Iterable[str], fields: Collection[str]) -> dict[str, str]:
    """Field -> column, of pairs `FIELD=NAME`.

    Raises:
        UserError: one is no such pair, or two are of one field.
    """
    names = {}
    for pair in pairs:
        field, _, name = pair.partition("=")
        if field not in fields or not name:
            expected = " or ".join(f"{field}=NAME" for field in fields)
            raise UserError(f"{pair!r} is not {expected}", where="--columns")
        if field in names:
            raise UserError(f"names {field} twice", where="--columns", hint="leave one of them out")
        names[field] = name
    return names
