"""`ftcore evaluate BUNDLE --input FILE`: what a bundle is worth on labelled rows. Needs no torch."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.cli.table_options import named_columns, table_options
from ftcore.errors import CheckFailed, ExitCode, UserError

if TYPE_CHECKING:
    from ftcore.evaluation.bundle import MeasuredBundle
    from ftcore.evaluation.measurement import Measurement
    from ftcore.spec.sections import Source
    from ftcore_runtime import Pipeline
    from ftcore_runtime.training_source import TrainingSource


def evaluate_bundle(path: Path, args: argparse.Namespace) -> int:
    """Measure, print, and write the answers if asked to; returns the exit code."""
    from ftcore.cli.console import write_output
    from ftcore_runtime.answers import to_jsonl

    with measured(path, args) as (pipeline, measurement, found):
        if args.output is not None:
            write_output(args.output, to_jsonl(found.lines()))
        whole = {
            "bundle": str(path),
            "variant": pipeline.variant,
            "input": args.input,
            "metric": measurement.metric,
            "confidence": measurement.family.spec.evaluation.confidence,
            "verdict": None,
            "splits": {"gold": found.to_json()},
        }
        _show(whole, found, args)
    if found.unmet:
        raise CheckFailed("; ".join(found.unmet))
    return ExitCode.OK


@contextmanager
def measured(path: Path, args: argparse.Namespace) -> Iterator[tuple[Pipeline, Measurement, MeasuredBundle]]:
    """A bundle, how it is measured, and what it is worth on the rows that the arguments name."""
    from ftcore.cli.interruption import ended_by_ctrl_c, interruptible
    from ftcore.cli.options import registry
    from ftcore.evaluation.bundle import measure_bundle
    from ftcore.evaluation.measurement import Measurement
    from ftcore_runtime import Pipeline

    with ended_by_ctrl_c():
        pipeline = Pipeline.load(path, args.variant, threads=args.threads, device=args.device)
    measurement = Measurement.of(pipeline.manifest, registry(args))
    measurement = measurement.reading(named_columns(args.columns, measurement.columns))
    source = _source(args, pipeline.manifest.source)
    with tempfile.TemporaryDirectory() as folder:
        found = interruptible(lambda: measure_bundle(pipeline, measurement, source, Path(folder)))
        yield pipeline, measurement, found


def _source(args: argparse.Namespace, training: TrainingSource | None) -> Source:
    """The rows to measure: in any format that a task is trained from; tables are written as those of the training.

    Raises:
        UserError: there is no such file or format, or an option does not apply to it.
    """
    from ftcore.data.formats import find_format
    from ftcore.locate import locate
    from ftcore.spec.sections import Source, format_names
    from ftcore_runtime.object_store import is_address

    if args.format is not None and args.format not in format_names():
        raise UserError(
            f"there is no {args.format!r}", where="--format", hint=f"one of {', '.join(format_names())}"
        )
    source = Source(path=args.input, format=args.format)
    form = None if is_address(args.input) else find_format(source, locate(args.input, Path.cwd()), args.input)
    applies = frozenset() if form is None else form.options
    for option in ("delimiter", "quoting", "encoding"):
        if getattr(args, option) is not None and option not in applies:
            raise UserError(f"does not apply to {args.input}", where=f"--{option}", hint="leave it out")
    options = table_options(args, form.name if form else "", training, {})
    return Source(
        path=args.input,
        format=args.format,
        encoding=options.encoding,
        delimiter=options.delimiter,
        quoting=options.quoting,
    )


def _show(whole: dict[str, Any], found: MeasuredBundle, args: argparse.Namespace) -> None:
    from ftcore.cli.console import print_json, print_text
    from ftcore.cli.summary import print_measured

    if args.json:
        print_json(whole)
        return
    print_text(f"bundle {whole['bundle']}, variant {whole['variant']}, on {args.input}")
    if left_out := found.counts.read - found.counts.kept:
        print_text(f"{left_out:,} of its {found.counts.read:,} rows are left out, as the task's spec says")
    print_measured(whole, "gold", found.lines(), verbose=args.verbose)
