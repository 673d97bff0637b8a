"""`ftcore suggest RUN --pool FILE`: which unlabelled rows to label next, and what more rows are expected to bring."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ftcore.cli.options import Subparsers, add_command
from ftcore.cli.table_options import add_table_options, named_columns, table_options
from ftcore.cli.work import add_run, open_workspace
from ftcore.errors import ExitCode, UserError
from ftcore.imports import uncollected

if TYPE_CHECKING:
    from ftcore.runs.suggest import Suggestions
    from ftcore_runtime.rows import Row
    from ftcore_runtime.training_source import TrainingSource

_EPILOG = """\
Chosen are rows that the run's model is least sure of, and of those no two alike; rows whose text the run knows already
are passed over. The expected gain is that of as many rows chosen at random, by a learning curve of a regression on the
base model's representations of the rows that are labelled.

Each line of JSON has `row` (the line it starts at), `input`, `uncertainty` (0 to 1) and `answer`. With
--format label-studio one JSON file of tasks, to be imported as it is: its answers come as predictions, for a labelling
configuration with <Text name="text" value="$text"/> and <Choices name="label" toName="text"/>.
"""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(subparsers, "suggest", run, "choose the unlabelled rows that are worth a label most")
    parser.epilog = _EPILOG
    add_run(parser)
    parser.add_argument(
        "--pool",
        required=True,
        metavar="FILE",
        help="rows without labels: .csv, .tsv, .jsonl, .txt or .parquet, the last one also in a store (s3://...)",
    )
    parser.add_argument("-n", "--count", type=int, default=100, metavar="N", help="rows (default: 100)")
    parser.add_argument(
        "--format",
        choices=("jsonl", "label-studio"),
        default="jsonl",
        help="what is written (default: jsonl)",
    )
    parser.add_argument("--output", metavar="FILE", type=Path, help="standard output if not given")
    add_table_options(
        parser, "the pool's own names for `text` and `text_pair` (default: those of the training rows)"
    )


def run(args: argparse.Namespace) -> int:
    """Choose; returns the exit code."""
    if args.count < 1:
        raise UserError("must be at least 1", where="--count")
    _require_suffix(args.output, args.format)
    from ftcore.cli.console import write_output
    from ftcore.cli.progress import spinning
    from ftcore.runs.folder import open_run
    from ftcore.runs.run_bundle import training_source

    with uncollected():
        from ftcore.runs.suggest import FineTuned, suggest

    folder = open_run(args.run_path)
    with spinning("opening the run") as spinner, open_workspace(args, folder) as workspace:
        training = training_source(workspace.spec, workspace.family, folder.record().get("data", ()))
        rows = _pool(args, workspace.family.reader.columns, training)
        run = FineTuned(
            workspace.task.info.id,
            workspace.family,
            workspace.fine_tuned(),
            workspace.encoder,
            workspace.base,
            workspace.splits,
            workspace.features,
        )
        spinner.show(f"reading {len(rows):,} rows, and estimating what their labels would bring")
        found = suggest(run, [row.input for row in rows], args.count)
    write = _label_studio if args.format == "label-studio" else _jsonl
    data = write(found, rows, args.run_path.name)
    if args.output is None:
        sys.stdout.write(data.decode())
    else:
        write_output(args.output, data)
    sys.stderr.write(_summary(found, args.count))
    return ExitCode.OK


#: What each format is, and how the names of its files end.
_WRITTEN = {"jsonl": ("JSON Lines", ".jsonl"), "label-studio": ("JSON", ".json")}


def _require_suffix(output: Path | None, format_name: str) -> None:
    """Refuse a name that promises another format than is written.

    Raises:
        UserError: it does.
    """
    from ftcore_server.offline.sinks import NOT_WRITTEN

    what, suffix = _WRITTEN[format_name]
    promises = {*NOT_WRITTEN, ".jsonl", ".csv", ".parquet"} - {suffix}
    if output is not None and output.suffix.lower() in promises:
        hint = f"let its name end in {suffix}"
        raise UserError(f"--format {format_name} is written as {what}", where=str(output), hint=hint)


def _pool(args: argparse.Namespace, columns: Mapping[str, str], training: TrainingSource) -> list[Row]:
    """The rows of the pool.

    Args:
        columns: the training rows' own names of the family's fields.
        training: how those rows are written.

    Raises:
        UserError: one cannot be read, or it is empty.
    """
    from ftcore_server.offline.source import Source, form_of

    names = {field: columns[field] for field in ("text", "text_pair") if field in columns}
    form = form_of(args.pool)
    if form == "txt" and len(names) == 1:
        names = {"text": "text"}  # which has no columns
    names |= named_columns(args.columns, tuple(names))
    needed = {name: f"name it with --columns {field}=NAME" for field, name in names.items()}
    source = Source(args.pool, form, tuple(names.values()), table_options(args, form, training, needed))
    rows = list(source.rows())
    if bad := next((row for row in rows if row.error), None):
        raise UserError(
            str(bad.error), where=f"{source.name}:{bad.number}", hint="fix the row, or leave it out"
        )
    if not rows:
        raise UserError("holds no rows", where=source.name)
    return rows


def _jsonl(found: Suggestions, rows: list[Row], run_name: str) -> bytes:
    from ftcore_runtime.answers import to_jsonl

    return to_jsonl(_lines(found, rows))


def _lines(found: Suggestions, rows: list[Row]) -> Iterator[dict[str, Any]]:
    for one in found.rows:
        row = rows[one.index]
        given = list(row.input) if isinstance(row.input, tuple) else row.input
        yield {
            "row": row.number,
            "input": given,
            "uncertainty": round(one.uncertainty, 6),
            "answer": one.answer.to_json(),
        }


def _label_studio(found: Suggestions, rows: list[Row], run_name: str) -> bytes:
    """Tasks with predictions, in the format that Label Studio imports."""
    tasks = []
    for line, one in zip(_lines(found, rows), found.rows, strict=True):
        texts = line["input"] if isinstance(line["input"], list) else [line["input"]]
        labels = getattr(one.answer, "labels", None)
        choices = list(labels) if labels is not None else [line["answer"]["label"]]
        result = {
            "from_name": "label",
            "to_name": "text",
            "type": "choices",
            "value": {"choices": choices},
        }
        data = dict(zip(("text", "text_pair"), texts, strict=False)) | {"row": line["row"]}
        prediction = {
            "model_version": run_name,
            "score": round(1.0 - one.uncertainty, 6),
            "result": [result],
        }
        tasks.append({"data": data, "predictions": [prediction]})
    return (json.dumps(tasks, ensure_ascii=False, indent=2) + "\n").encode(errors="backslashreplace")


def _summary(found: Suggestions, count: int) -> str:
    lines = [
        f"{len(found.rows)} rows to label" + (f" of {count} asked for" if len(found.rows) < count else "")
    ]
    if found.known:
        lines.append(
            f"{found.known} rows of the pool are known already or are there twice, and were passed over"
        )
    if curve := found.curve:
        measured = ", ".join(
            f"{value:.3f} with {rows:,}" for rows, value in zip(curve.rows, curve.values, strict=True)
        )
        gain = curve.gain(found.labelled, len(found.rows))
        lines.append(f"learning curve of a regression on the base model, {curve.metric}: {measured}")
        lines.append(f"as many rows chosen at random would bring it about {gain:+.3f}")
    else:
        lines.append(f"no expected gain: {found.labelled} labelled rows are too few for a learning curve")
    return "\n".join(lines) + "\n"
