"""`ftcore push RUN --repo owner/name`: a bundle with its card to the Hugging Face Hub. Needs no torch."""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

from ftcore.cli.options import Subparsers, add_bundle, add_command
from ftcore.errors import ExitCode

_EPILOG = """\
The repository gets README.md (the card, with its model-index), bundle/, and of a RUN the graphs in the layout that
transformers.js and optimum read. The token is that of `hf auth login`, or HF_TOKEN.
"""


def add(subparsers: Subparsers) -> None:
    """Add the command."""
    parser = add_command(subparsers, "push", run, "put a bundle with its card on the Hugging Face Hub")
    parser.epilog = _EPILOG
    add_bundle(parser)
    parser.add_argument("--repo", metavar="OWNER/NAME", required=True, help="made unless it is there")
    parser.add_argument("--private", action="store_true", help="of a repository that is made")
    parser.add_argument("--message", default="ftcore push", help="of the commit")
    parser.add_argument(
        "--dry-run", metavar="DIR", type=Path, help="write what would be pushed there, and push nothing"
    )


def run(args: argparse.Namespace) -> int:
    """Write the repository's files, and push them."""
    from ftcore.cli.console import print_text
    from ftcore.runs.folder import RunFolder
    from ftcore_server.packaging.hub import upload, write_hub
    from ftcore_server.packaging.target import Packed

    packed = Packed.load(args.bundle)
    of_run = RunFolder(args.bundle.parent)
    model = of_run.model if args.bundle.name == of_run.bundle.name and of_run.model.is_dir() else None
    with TemporaryDirectory() as temporary:
        folder = args.dry_run or Path(temporary) / "repository"
        readable = write_hub(packed, folder, args.repo, model)
        if not readable:
            print_text(
                "note: without graphs for transformers.js and optimum, which read models of one pass, and need"
                " the configuration that a run has"
            )
        if args.dry_run is not None:
            print_text(f"{folder}: what `ftcore push` would put to {args.repo}")
            return ExitCode.OK
        print_text(upload(folder, args.repo, private=args.private, message=args.message))
    return ExitCode.OK
