"""`ftcore serve`: bundles behind HTTP, until SIGTERM. Needs no torch."""

from __future__ import annotations

import argparse
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.cli.options import Subparsers, add_command, add_device
from ftcore.errors import ExitCode, UserError

if TYPE_CHECKING:
    from ftcore_server.settings import Settings

#: The environment variable that holds the bearer token, unless a file does.
TOKEN_VARIABLE = "FTCORE_TOKEN"  # noqa: S105 (a name)

_EPILOG = """\
BUNDLE is a folder, NAME=FOLDER or NAME@VERSION=FOLDER; of several versions of one name the last answers. SIGHUP
reads the folders (or the file of --models) again and changes over without dropping a request. SIGTERM drains.
"""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(subparsers, "serve", run, "serve bundles over HTTP")
    parser.epilog = _EPILOG
    parser.add_argument("bundles", metavar="BUNDLE", nargs="*", help="what to serve; see below")
    parser.add_argument(
        "--models", metavar="FILE", type=Path, help="a JSON file that names them, instead of BUNDLE"
    )
    parser.add_argument(
        "--canary",
        metavar="NAME@VERSION=SHARE",
        action="append",
        default=[],
        help="share (0 to 1) of a model's requests that go to another version; may be repeated",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen at (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8000, help="0 takes a free one (default: 8000)")
    parser.add_argument(
        "--token-file", metavar="FILE", type=Path, help=f"bearer token; ${TOKEN_VARIABLE} if not given"
    )
    parser.add_argument(
        "--key",
        metavar="PUBLIC_KEY",
        type=Path,
        help="refuse bundles that the owner of this key (PEM) has not signed, at every reload too",
    )
    parser.add_argument(
        "--variant", metavar="NAME", help="graphs that answer; each bundle's default if not given"
    )
    add_device(parser)
    parser.add_argument(
        "--threads",
        type=int,
        default=1,
        metavar="N",
        help="threads of one batch (default: 1)",
    )
    parser.add_argument(
        "--processes",
        type=int,
        default=1,
        metavar="N",
        help="that answer at this address, each with the limits below; the weights are in memory once (default: 1)",
    )
    parser.add_argument(
        "--workers",
        type=int,
        metavar="N",
        help="batches that a process runs at a time; one for each CPU that it has if not given",
    )
    parser.add_argument(
        "--batch-tokens",
        type=int,
        default=256,
        metavar="N",
        help="padded tokens of a batch (default: 256)",
    )
    parser.add_argument(
        "--batch-texts",
        type=int,
        default=16,
        metavar="N",
        help="texts that are written together, streamed ones or whole ones (default: 16)",
    )
    parser.add_argument(
        "--batch-delay",
        type=float,
        default=0.0,
        metavar="SECONDS",
        help="how long a free worker waits for batch-mates (default: 0)",
    )
    parser.add_argument(
        "--queue", type=int, default=1024, metavar="N", help="inputs in hand before 429 (default: 1024)"
    )
    parser.add_argument(
        "--timeout",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="longest time to an answer (default: 30)",
    )
    parser.add_argument(
        "--max-body", type=int, default=2 * 2**20, metavar="BYTES", help="of a request (default: 2 MiB)"
    )
    parser.add_argument(
        "--max-inputs", type=int, default=256, metavar="N", help="inputs of a request (default: 256)"
    )
    parser.add_argument(
        "--max-response", type=int, default=16 * 2**20, metavar="BYTES", help="of an answer (default: 16 MiB)"
    )
    parser.add_argument(
        "--max-memory",
        type=int,
        default=256 * 2**20,
        metavar="BYTES",
        help="of the bodies and answers of all requests together, before 503 (default: 256 MiB)",
    )
    parser.add_argument(
        "--drain",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="after SIGTERM, before new connections are refused (default: 1)",
    )
    parser.add_argument(
        "--grace",
        type=float,
        default=30.0,
        metavar="SECONDS",
        help="for accepted requests, after that (default: 30)",
    )
    parser.add_argument(
        "--load-timeout",
        type=float,
        default=120.0,
        metavar="SECONDS",
        help="to load and self-test a bundle, in a process of its own, before it is served (default: 120)",
    )
    parser.add_argument(
        "--load-memory",
        type=int,
        metavar="BYTES",
        help="for that; 1 GiB and 8 times the size of its files if not given",
    )
    parser.add_argument("--no-page", action="store_true", help="no page at /")
    parser.add_argument(
        "--sagemaker",
        action="store_true",
        help="also /ping and /invocations, for the one model that is served",
    )
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="(default: info)"
    )


def _bundle(argument: str) -> str:
    """A BUNDLE argument with the bundle's folder in place of the run that it may name."""
    from ftcore.cli.options import bundle_path

    head, equals, path = argument.rpartition("=")
    return f"{head}{equals}{bundle_path(path)}"


def run(args: argparse.Namespace) -> int:
    """Serve; returns the exit code."""
    from ftcore.cli.interruption import leave
    from ftcore_server import logs
    from ftcore_server.deployment import reader
    from ftcore_server.process import serve
    from ftcore_server.supervisor import serve_with_processes

    read = reader([_bundle(argument) for argument in args.bundles], args.canary, args.models)
    settings = _settings(args, os.environ)
    read()  # what cannot be read is an error before anything listens
    logs.configure(args.log_level)
    ended = serve(settings, read) if settings.processes == 1 else serve_with_processes(settings, read)
    return leave(ExitCode.OK if ended.answered else ExitCode.FAILED, at_once=ended.abandoned)


def _settings(args: argparse.Namespace, environment: Mapping[str, str]) -> Settings:
    from ftcore_server.settings import Batching, Limits, Loading, Settings

    for name in (
        "processes", "workers", "batch_tokens", "batch_texts", "queue", "threads", "load_memory",
        "max_body", "max_inputs", "max_response", "max_memory",
    ):  # fmt: skip
        if (value := getattr(args, name)) is not None and value < 1:
            raise UserError("must be at least 1", where=f"--{name.replace('_', '-')}")
    if args.max_memory < (least := args.max_body + args.max_response):
        raise UserError(
            f"must hold a body and an answer, {least:,} bytes",
            where="--max-memory",
            hint="raise it, or lower them",
        )
    for name in ("batch_delay", "drain", "grace"):
        if not 0 <= getattr(args, name) < float("inf"):
            raise UserError("must be at least 0", where=f"--{name.replace('_', '-')}")
    for name in ("timeout", "load_timeout"):
        if not 0 < getattr(args, name) < float("inf"):
            raise UserError("must be above 0", where=f"--{name.replace('_', '-')}")
    if not 0 <= args.port < 2**16:
        raise UserError("must be from 0 to 65535", where="--port")
    signed_by = None
    if args.key is not None:
        from ftcore_runtime.signature import PublicKey

        signed_by = PublicKey(args.key)
    return Settings(
        host=args.host,
        port=args.port,
        processes=args.processes,
        token=_token(args.token_file, environment),
        drain_seconds=args.drain,
        grace_seconds=args.grace,
        variant=args.variant,
        device=args.device,
        signed_by=signed_by,
        page=not args.no_page,
        sagemaker=args.sagemaker,
        loading=Loading(seconds=args.load_timeout, memory_bytes=args.load_memory),
        limits=Limits(
            body_bytes=args.max_body,
            decompressed_bytes=2 * args.max_body,
            response_bytes=args.max_response,
            memory_bytes=args.max_memory,
            json_parts=max(Limits.json_parts, 32 * args.max_inputs),
            inputs=args.max_inputs,
            request_seconds=args.timeout,
        ),
        batching=Batching(
            tokens=args.batch_tokens,
            delay_seconds=args.batch_delay,
            texts=args.batch_texts,
            queue=args.queue,
            workers=args.workers,
            threads=args.threads,
        ),
    )


def _token(file: Path | None, environment: Mapping[str, str]) -> str | None:
    """The token; an empty one is refused, since it would look like protection."""
    if file is None:
        token, where = environment.get(TOKEN_VARIABLE), f"${TOKEN_VARIABLE}"
    else:
        where = str(file)
        try:
            token = file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            what = getattr(error, "strerror", None) or "is not UTF-8"
            raise UserError(f"cannot be read: {what}", where=where) from None
    if token is not None and (not token or not token.isascii() or not token.isprintable()):
        raise UserError("holds no token of printable ASCII", where=where)
    return token
