"""`ftcore package DOOR BUNDLE`: a bundle as what Triton, KServe, Docker or MLflow takes. Needs no torch."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ftcore.cli.options import Subparsers, add_bundle, add_command
from ftcore.errors import ExitCode, UserError

_EPILOG = """\
triton   a model repository: the graph in the ONNX backend behind a step in the Python backend
kserve   an InferenceService; needs --image and --storage
docker   Dockerfile, compose file and bundle for an image that serves it
mlflow   a model in the pyfunc flavour, for whatever deploys those
"""


def add(subparsers: Subparsers) -> None:
    """Add the command to the parser."""
    parser = add_command(subparsers, "package", run, "write what another engine takes a bundle as")
    parser.epilog = _EPILOG
    parser.add_argument(
        "target", metavar="TARGET", choices=("triton", "kserve", "docker", "mlflow"), help="see below"
    )
    add_bundle(parser)
    parser.add_argument(
        "--output", metavar="DIR", type=Path, required=True, help="a folder that is not there yet"
    )
    parser.add_argument("--name", help="what it is deployed as; made of the bundle's name if not given")
    parser.add_argument(
        "--variant", metavar="NAME", help="graphs that answer; the bundle's default if not given"
    )
    parser.add_argument("--image", help="kserve: a container whose entry point is ftcore")
    parser.add_argument(
        "--storage", metavar="URI", help="kserve: where the cluster finds the bundle's folder"
    )
    parser.add_argument(
        "--wheel",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="docker: install this wheel of ftcore, or of the decoder's distribution; may be repeated",
    )
    parser.add_argument("--threads", type=int, default=1, help="triton: of one run of the graph (default: 1)")


def run(args: argparse.Namespace) -> int:
    """Write the folder; returns the exit code."""
    from ftcore_server.packaging.target import Packed

    if args.threads < 1:
        raise UserError("must be at least 1", where="--threads")
    packed = Packed.load(args.bundle, args.name, args.variant)
    if args.target == "triton":
        from ftcore_server.packaging.triton import write_triton

        write_triton(packed, args.output, args.threads)
    elif args.target == "kserve":
        from ftcore_server.packaging.kserve import write_kserve

        if not args.image or not args.storage:
            raise UserError("needs --image and --storage", where="ftcore package kserve")
        write_kserve(packed, args.output, image=args.image, storage=args.storage)
    elif args.target == "docker":
        from ftcore_server.packaging.docker import write_docker

        write_docker(packed, args.output, args.wheel)
    else:
        from ftcore_server.packaging.mlflow import write_mlflow

        if packed.pipeline.variant != packed.pipeline.manifest.default_variant:
            raise UserError("MLflow answers from the bundle's default variant", where="--variant")
        write_mlflow(packed, args.output)
    sys.stdout.write(f"{args.output}\n")
    return ExitCode.OK
