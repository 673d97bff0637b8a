"""`ftcore predict --engine ray`: the answers as parts in a folder, by several processes; goes on where it was."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ftcore.cli.predict import show_errors
from ftcore.errors import ExitCode

if TYPE_CHECKING:
    from ftcore_runtime import Pipeline
    from ftcore_server.offline.source import Source


def answer_with_ray(pipeline: Pipeline, source: Source, args: argparse.Namespace) -> int:
    """Write the parts that are missing; returns the exit code.

    Raises:
        UserError: the input cannot be read, or the folder holds something else.
    """
    from ftcore_runtime.cpus import cpu_count
    from ftcore_runtime.object_store import ObjectFolder, StoredObject
    from ftcore_server.offline.parts import LocalFolder, Parts

    folder = (
        LocalFolder(args.output.resolve())
        if isinstance(args.output, Path)
        else ObjectFolder.of(args.output, "--output")
    )
    from ftcore_server.offline.ray_engine import Job, run

    source = source.found()
    # Reading costs little compared with answering, and says early what cannot be read.
    parts = Parts(folder, sum(1 for _ in source.rows()))
    files = source.files()
    parts.begin(
        {
            "bundle": pipeline.manifest.to_json(),
            "variant": pipeline.variant,
            "input": [
                [one.name, one.size, one.version]
                if isinstance(one, StoredObject)
                else [one.name, one.stat().st_size]
                for one in files
            ],
            "columns": list(source.columns),
            "options": asdict(source.options),
            "keep": args.keep,
            "top_k": args.top_k,
        }
    )
    missing = parts.missing()
    if len(missing) < len(parts):
        sys.stderr.write(f"{len(parts) - len(missing)} of {len(parts)} parts are there already\n")
    if missing:
        job = Job(
            args.bundle.resolve(),
            pipeline.variant,
            source.resolved(),
            parts,
            args.batch_size,
            args.keep,
            args.top_k,
        )
        run(job, missing, args.workers or cpu_count())
    bad = show_errors(source.name, parts.errors())
    sys.stderr.write(f"{parts.count - bad} rows answered, {bad} could not be\n")
    return ExitCode.CHECK_FAILED if bad else ExitCode.OK
