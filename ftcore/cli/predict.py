"""`ftcore predict`: a bundle's answers to some texts, or to a file of any size. Needs no torch."""

from __future__ import annotations

import argparse
import io
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, TextIO

from ftcore.cli.options import Subparsers, add_command
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore_export import Pipeline
    from ftcore_export.runtime.rows import Row

_CHUNK_BATCHES = 64  # batches read, sorted by length and answered together
_CHUNK_CHARACTERS = 2**22  # and no more text than this, whatever the number of rows
_SHOWN_ERRORS = 20  # bad rows named on the terminal; the output names them all

_EPILOG = """\
Every row of --input gives one line of JSON: {"row": LINE, ...answer}, or {"row": LINE, "error": ...} for
one that cannot be answered. FILE is .csv, .tsv, .jsonl or .txt (one text a line), or - for standard input.

exit codes: 0 every row was answered; 2 the bundle or the input is unusable; 3 some rows could not be answered
"""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(subparsers, "predict", run, "answer texts, or a file of them, with a bundle")
    parser.epilog = _EPILOG
    parser.add_argument("bundle", metavar="BUNDLE", type=Path, help="the folder that holds bundle.json")
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--text", action="append", metavar="TEXT", help="a text (of `qa`: a question); may be repeated"
    )
    what.add_argument("--input", metavar="FILE", help="a file of rows, or - for standard input")
    parser.add_argument(
        "--text-pair",
        action="append",
        metavar="TEXT",
        help="the second text of each --text (of `qa`: its context)",
    )
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="JSON Lines; standard output if not given"
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="FIELD=NAME",
        help="the file's own name for `text` or `text_pair` (of `qa`: `question`, `context`); may be repeated",
    )
    parser.add_argument(
        "--format", choices=("csv", "tsv", "jsonl", "txt"), help="said by the suffix if not given"
    )
    parser.add_argument(
        "--keep", action="store_true", help="copy the row's columns to the output, as `input`"
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="graphs that answer; the bundle's default if not given"
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="rows a batch (default: 32)")
    parser.add_argument("--threads", type=int, metavar="N", help="the CPUs of this process if not given")
    parser.add_argument(
        "--stream",
        action="store_true",
        help="show each answer to --text while it is written, greedily (bundles that write texts)",
    )
    parser.add_argument(
        "--json", action="store_true", help="JSON Lines for --text; those for --input always are"
    )


def run(args: argparse.Namespace) -> int:
    """Answer; returns the exit code."""
    try:
        from ftcore_export import Pipeline
    except ModuleNotFoundError as error:
        hint = "pip install 'ftcore[serve]'"
        raise UserError(f"{error.name} is not installed", where="ftcore predict", hint=hint) from None
    if args.batch_size < 1:
        raise UserError("must be at least 1", where="--batch-size")
    if args.text and (args.output or args.column or args.keep or args.format):
        raise UserError("--output, --column, --keep and --format go with --input", where="ftcore predict")
    if args.stream and (args.input or args.text_pair or args.json):
        raise UserError("goes with --text alone", where="--stream")
    if args.input and args.text_pair:
        raise UserError("goes with --text", where="--text-pair", hint="for a file: --column text_pair=NAME")
    pipeline = Pipeline.load(args.bundle, args.variant, threads=args.threads)
    columns = _columns(args.column, pipeline)
    if args.text:
        return _answer_texts(pipeline, args)
    form = args.format or _format(args.input)
    with _opened(args.input) as source, _sink(args.output, args.input) as sink:
        from ftcore_export.runtime.rows import read_rows

        name = "standard input" if args.input == "-" else args.input
        rows = read_rows(source, name, form, *columns)
        return _answer_rows(pipeline, rows, sink, name, args)


def _answer_texts(pipeline: Pipeline, args: argparse.Namespace) -> int:
    from ftcore_export.runtime.answers import to_json, to_jsonl

    inputs: list[Any] = args.text
    if args.text_pair:
        if len(args.text_pair) != len(args.text):
            raise UserError("give one for each --text", where="--text-pair")
        inputs = list(zip(args.text, args.text_pair, strict=True))
    if args.stream:
        return _stream_texts(pipeline, args.text)
    writes = pipeline.manifest.family == "text_generation"
    for text, answer in zip(args.text, pipeline.predict(inputs, args.batch_size), strict=True):
        found = to_json(answer)
        words = found["text"] if writes else _in_words(found)
        line = to_jsonl([found]).decode() if args.json else f"{words}\t{text}\n"
        sys.stdout.write(line)
    return ExitCode.OK


def _stream_texts(pipeline: Pipeline, texts: list[str]) -> int:
    """Show the greedy answer to each text while it is written."""
    for text in texts:
        for piece in pipeline.write_stream(text):
            sys.stdout.write(piece)
            sys.stdout.flush()
        sys.stdout.write("\n")
    return ExitCode.OK


def _in_words(answer: dict[str, Any]) -> str:
    if "label" in answer:
        return f"{answer['label']} {answer['score']:.3f}"
    if "labels" in answer:
        return ", ".join(f"{label} {answer['scores'][label]:.3f}" for label in answer["labels"]) or "(none)"
    if "text" in answer:
        return f"{answer['text'] or '(no answer)'} {answer['score']:.3f}"
    return f"{answer['value']:.4g}"


def _answer_rows(
    pipeline: Pipeline, rows: Iterable[Row], sink: BinaryIO, name: str, args: argparse.Namespace
) -> int:
    from ftcore_export.runtime.answers import to_jsonl

    answered = bad = 0
    for chunk in _chunks(rows, args.batch_size * _CHUNK_BATCHES):
        results = _results(pipeline, chunk, args.batch_size)
        for row, result in zip(chunk, results, strict=True):
            if "error" not in result:
                answered += 1
                continue
            bad += 1
            if bad <= _SHOWN_ERRORS:
                sys.stderr.write(f"{name}:{row.number}: {result['error']}\n")
            elif bad == _SHOWN_ERRORS + 1:
                sys.stderr.write("further rows that cannot be answered are named in the output alone\n")
        kept = ({"input": row.columns} if args.keep else {} for row in chunk)
        lines = (
            {"row": row.number, **keep, **result}
            for row, keep, result in zip(chunk, kept, results, strict=True)
        )
        sink.write(to_jsonl(lines))
    sys.stderr.write(f"{answered} rows answered, {bad} could not be\n")
    return ExitCode.CHECK_FAILED if bad else ExitCode.OK


def _chunks(rows: Iterable[Row], limit: int) -> Iterator[list[Row]]:
    chunk: list[Row] = []
    characters = 0
    for row in rows:
        chunk.append(row)
        characters += sum(len(value) for value in row.columns.values() if isinstance(value, str))
        if len(chunk) == limit or characters > _CHUNK_CHARACTERS:
            yield chunk
            chunk, characters = [], 0
    if chunk:
        yield chunk


def _results(pipeline: Pipeline, chunk: list[Row], batch_size: int) -> list[dict[str, Any]]:
    """What the output says of each row: its answer or its error."""
    from ftcore_export.runtime.answers import to_json

    good = [row.input for row in chunk if row.input is not None]
    try:
        answers = iter([to_json(answer) for answer in pipeline.predict(good, batch_size)])
    except UserError:  # a row that only the model finds bad: answer one by one, so that it stands alone
        answers = iter([_alone(pipeline, item) for item in good])
    return [{"error": row.error} if row.input is None else next(answers) for row in chunk]


def _alone(pipeline: Pipeline, item: Any) -> dict[str, Any]:  # noqa: ANN401 (an input of any family)
    from ftcore_export.runtime.answers import to_json

    try:
        return to_json(pipeline.predict([item])[0])
    except UserError as error:
        return {"error": error.what}


def _columns(pairs: list[str], pipeline: Pipeline) -> list[str]:
    """The file's names of the texts that are read, one or two."""
    fields = pipeline.fields
    names = {field: field for field in fields[: pipeline.required]}
    for pair in pairs:
        field, _, name = pair.partition("=")
        if field not in fields or not name:
            raise UserError(f"{pair!r} is not {fields[0]}=NAME or {fields[1]}=NAME", where="--column")
        names[field] = name
    return [names[field] for field in fields if field in names]


def _format(source: str) -> str:
    from ftcore_export.runtime.rows import FORMATS

    form = FORMATS.get(Path(source).suffix.lower(), "txt" if source == "-" else None)
    if form is None:
        raise UserError("its format is not said by its suffix", where=source, hint="give --format")
    return form


def _opened(source: str) -> TextIO:
    """Bytes that are no UTF-8 become lone surrogates, which mark the row they are in and no other."""
    standard = source == "-"
    try:
        raw = io.FileIO(sys.stdin.fileno() if standard else source, closefd=not standard)
    except OSError as error:
        raise UserError(f"cannot be read: {error.strerror}", where=source) from None
    return io.TextIOWrapper(
        io.BufferedReader(raw), encoding="utf-8-sig", errors="surrogateescape", newline=""
    )


@contextmanager
def _sink(output: Path | None, source: str) -> Iterator[BinaryIO]:
    """Standard output, or a file written beside `output` that takes its name once it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    if output.is_dir() or (output.exists() and source != "-" and output.samefile(source)):
        raise UserError(
            "is a folder, or the input itself", where=str(output), hint="give another file to --output"
        )
    beside = output.with_name(f".{output.name}.{os.getpid()}.tmp")
    try:
        file = beside.open("wb")
    except OSError as error:
        raise UserError(f"cannot be written: {error.strerror}", where=str(output)) from None
    try:
        with file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        beside.replace(output)
    finally:
        beside.unlink(missing_ok=True)
