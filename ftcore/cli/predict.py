"""`ftcore predict`: a bundle's answers to some texts, or to a file of any size. Needs no torch."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from ftcore.cli.given_texts import given_input
from ftcore.cli.options import Subparsers, add_bundle, add_command, add_device
from ftcore.cli.table_options import add_table_options, any_table_option, named_columns, table_options
from ftcore.errors import ExitCode, UserError
from ftcore_runtime.object_store import is_address
from ftcore_runtime.terminal import printable

if TYPE_CHECKING:
    from ftcore_runtime import Pipeline
    from ftcore_server.offline.source import Source

_SHOWN_ERRORS = 20  # bad rows named on the terminal; the output names them all

_EPILOG = """\
Every row of --input gives one line of JSON: {"row": LINE, ...answer}, or {"row": LINE, "error": ...} for
one that cannot be answered; --output FILE.csv and FILE.parquet have a column for each key. The FILE of
--input is .csv, .tsv, .jsonl, .txt (one text a line) or .parquet, a folder of .parquet files, an address of either in
a store (s3://bucket/rows.parquet, s3://bucket/folder/), or - for standard input.
It is read as the training rows were (format, delimiter, encoding, names of columns) unless options say otherwise.

With --rank, rows that share their first text are ranked by the number that a bundle of `similarity` gives them; all
rows are in memory then:

  ftcore predict BUNDLE --input candidates.csv --rank --relevance gold --output ranked.jsonl

With --engine ray --workers N, N processes of one thread each write the same lines as part-*.jsonl into the folder
--output, which may be an address (s3://bucket/folder/). What is killed goes on where it was when it is started again.
"""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(subparsers, "predict", run, "answer texts, or a file of them, with a bundle")
    parser.epilog = _EPILOG
    add_bundle(parser)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        "--text", action="append", metavar="TEXT", help="a text (of `qa`: a question); may be repeated"
    )
    what.add_argument(
        "--input",
        metavar="FILE",
        help="a file of rows, Parquet in a store (s3://...), or - for standard input",
    )
    parser.add_argument(
        "--text-pair",
        action="append",
        metavar="TEXT",
        help="the second text of each --text (of `qa`: its context)",
    )
    parser.add_argument(
        "--output",
        metavar="FILE",
        type=_destination,
        help="a table if it ends in .csv or .parquet, else JSON Lines, which go to standard output if it is not given"
        " (with --engine ray: a folder of JSON Lines, here or at s3://bucket/folder/)",
    )
    parser.add_argument(
        "--format",
        choices=("csv", "tsv", "jsonl", "txt", "parquet"),
        help="by the suffix if not given",
    )
    add_table_options(
        parser,
        "the file's own names for the bundle's fields, `text` and `text_pair` (of `qa`: `question`, `context`);"
        " default: the columns of the training rows",
    )
    parser.add_argument(
        "--keep", action="store_true", help="copy the row's columns to the output, as `input`"
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="graphs that answer; the bundle's default if not given"
    )
    parser.add_argument(
        "--top-k",
        type=int,
        metavar="N",
        help="the N most probable labels in an answer's scores, or so many candidates (default: all labels)",
    )
    parser.add_argument(
        "--rank",
        action="store_true",
        help="of --input, bundles of `similarity`: the `rank` of each row among those with its first text, 1 the best",
    )
    parser.add_argument(
        "--relevance",
        metavar="COLUMN",
        help="of --rank: how relevant a row is, from 0; prints nDCG@10 and the mean reciprocal rank",
    )
    parser.add_argument("--batch-size", type=int, default=32, metavar="N", help="rows a batch (default: 32)")
    add_device(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="the CPUs of this process if not given")
    parser.add_argument(
        "--engine", choices=("plain", "ray"), default="plain", help="what runs the bundle (default: plain)"
    )
    parser.add_argument(
        "--workers", type=int, metavar="N", help="of --engine ray; the CPUs of this process if not given"
    )
    parser.add_argument(
        "--stream",
        action="store_true",
        help="show each answer to --text while it is generated, greedily (bundles that generate texts)",
    )
    parser.add_argument(
        "--json", action="store_true", help="JSON Lines for --text; those for --input always are"
    )


def _destination(name: str) -> Path | str:
    """A path of this machine, or an address."""
    return name if is_address(name) else Path(name)


def run(args: argparse.Namespace) -> int:
    """Answer; returns the exit code."""
    from ftcore.cli.interruption import ended_by_ctrl_c, interruptible
    from ftcore_runtime import Pipeline

    _check(args)
    ray = args.engine == "ray"
    with ended_by_ctrl_c():
        pipeline = Pipeline.load(
            args.bundle, args.variant, threads=1 if ray else args.threads, device=args.device
        )
    if args.text:
        return interruptible(lambda: _answer_texts(pipeline, args))
    from ftcore_server.offline.source import Source, form_of

    columns = _columns(args.columns, pipeline)
    form = form_of(args.input, args.format)
    needed = {name: f"name it with --columns {field}=NAME" for field, name in columns.items()}
    options = table_options(args, form, pipeline.manifest.source, needed)
    source = Source(args.input, form, tuple(columns.values()), options)
    if ray:
        from ftcore.cli.predict_ray import answer_with_ray

        return answer_with_ray(pipeline, source, args)
    with _output(args.output, args.input) as file:
        if args.rank:
            from ftcore.cli.predict_rank import answer_ranked

            return interruptible(lambda: answer_ranked(pipeline, source, file, args))
        return interruptible(lambda: _answer_rows(pipeline, source, file, args))


def _check(args: argparse.Namespace) -> None:
    """Refuse options that do not go together."""
    if args.batch_size < 1:
        raise UserError("must be at least 1", where="--batch-size")
    if args.top_k is not None and args.top_k < 1:
        raise UserError("must be at least 1", where="--top-k")
    if args.text and (args.output or args.keep or args.format or any_table_option(args)):
        raise UserError(
            "--output, --columns, --keep and those of the format go with --input", where="ftcore predict"
        )
    if args.stream and (args.input or args.text_pair or args.json):
        raise UserError("goes with --text alone", where="--stream")
    if args.input and args.text_pair:
        raise UserError("goes with --text", where="--text-pair", hint="for a file: --columns text_pair=NAME")
    if args.relevance is not None and not args.rank:
        raise UserError("goes with --rank", where="--relevance")
    if isinstance(args.output, str) and args.engine != "ray":
        what = "the plain engine writes a file on this machine"
        raise UserError(what, where="--output", hint="add --engine ray, or give a file")
    if args.rank:
        if args.text or args.engine == "ray":
            raise UserError("goes with --input and the plain engine", where="--rank")
        if args.output is not None and args.output.suffix.lower() in (".csv", ".parquet"):
            raise UserError("writes JSON Lines", where="--rank", hint="give --output FILE.jsonl")
    if args.engine == "plain" and args.workers is not None:
        raise UserError("goes with --engine ray", where="--workers")
    if args.engine == "ray":
        if args.text or args.input == "-" or args.output is None:
            raise UserError("needs --input, a file or a folder, and --output", where="--engine ray")
        if args.threads is not None:
            raise UserError("each worker has one thread; give --workers", where="--threads")
        if args.device != "cpu":
            raise UserError("the workers compute on CPUs", where="--device", hint="leave out --engine ray")
        if args.workers is not None and args.workers < 1:
            raise UserError("must be at least 1", where="--workers")


def _answer_texts(pipeline: Pipeline, args: argparse.Namespace) -> int:
    from ftcore.cli.console import marked_text, print_text
    from ftcore_runtime.answers import to_jsonl

    if args.text_pair and len(args.text_pair) != len(args.text):
        raise UserError("give one for each --text", where="--text-pair")
    fields, required = pipeline.fields, pipeline.required
    inputs = [
        given_input(text, pair, fields, required)
        for text, pair in zip_longest(args.text, args.text_pair or ())
    ]
    if args.stream:
        return _stream_texts(pipeline, args.text)
    prepared = pipeline.decoder.prepare(inputs, pipeline.encoder)
    for text, answer in zip(args.text, pipeline.answer(prepared, args.batch_size, args.top_k), strict=True):
        if args.json:
            sys.stdout.write(to_jsonl([answer.to_json()]).decode())
        elif sys.stdout.isatty() and answer.marks and not args.text_pair:
            summary = printable(f"{answer.summary}\t", lines=True)
            print_text(marked_text(text, answer.marks, pipeline.labels, summary))
        else:
            shown = [printable(part, lines=True) for part in (answer.summary, text)]
            sys.stdout.write("\t".join(shown) + "\n")
    _say_cut(pipeline, prepared.cut)
    return ExitCode.OK


def _say_cut(pipeline: Pipeline, cut: int) -> None:
    """How many inputs lost their end, if any did."""
    if cut:
        inputs = "1 input was" if cut == 1 else f"{cut} inputs were"
        limit = pipeline.encoder.config.max_length
        sys.stderr.write(
            f"{inputs} longer than the model reads, and cut: it reads {limit} tokens at a time\n"
        )


def _stream_texts(pipeline: Pipeline, texts: list[str]) -> int:
    """Show the greedy answer to each text while it is generated."""
    for text in texts:
        for piece in pipeline.write_stream(text):
            sys.stdout.write(printable(piece, lines=True))
            sys.stdout.flush()
        sys.stdout.write("\n")
    return ExitCode.OK


def _answer_rows(pipeline: Pipeline, source: Source, file: BinaryIO, args: argparse.Namespace) -> int:
    from ftcore_server.offline.lines import answer_lines
    from ftcore_server.offline.sinks import sink_for

    sink = sink_for(args.output and args.output.name)(file, pipeline.decoder)
    answered = cut = 0

    def errors() -> Iterator[tuple[int, str]]:
        nonlocal answered, cut
        for lines in answer_lines(pipeline, source.rows(), args.batch_size, keep=args.keep, top_k=args.top_k):
            sink.write(lines.lines)
            answered, cut = answered + lines.answered, cut + lines.cut
            yield from lines.errors

    bad = show_errors(source.name, errors())
    sink.close()
    sys.stderr.write(f"{answered} rows answered, {bad} could not be\n")
    _say_cut(pipeline, cut)
    return ExitCode.CHECK_FAILED if bad else ExitCode.OK


def show_errors(name: str, errors: Iterable[tuple[int, str]]) -> int:
    """Name the first bad rows of an input on the terminal; returns how many there are."""
    bad = 0
    for number, error in errors:
        bad += 1
        if bad <= _SHOWN_ERRORS:
            sys.stderr.write(printable(f"{name}:{number}: {error}") + "\n")
        elif bad == _SHOWN_ERRORS + 1:
            sys.stderr.write("further rows that cannot be answered are named in the output alone\n")
    return bad


def _columns(pairs: list[str], pipeline: Pipeline) -> dict[str, str]:
    """The file's names of the texts that are read, by field: as given, as in the training, or the field's own."""
    fields, training = pipeline.fields, pipeline.manifest.source
    names = {field: field for field in fields[: pipeline.required]}
    if training is not None:
        names |= training.columns
    names |= named_columns(pairs, fields)
    return {field: names[field] for field in fields if field in names}


@contextmanager
def _output(output: Path | None, source: str) -> Iterator[BinaryIO]:
    """Standard output, or a file that takes the name `output` once it is whole."""
    if output is None:
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    elsewhere = source == "-" or is_address(source)
    if output.is_dir() or (output.exists() and not elsewhere and output.samefile(source)):
        raise UserError(
            "is a folder, or the input itself", where=str(output), hint="give another file to --output"
        )
    from ftcore_runtime.publishing import publishing

    with ExitStack() as stack:
        try:
            made = stack.enter_context(publishing(output))
            file = stack.enter_context(made.open("wb"))
        except OSError as error:
            raise UserError(f"cannot be written: {error.strerror}", where=str(output)) from None
        yield file
