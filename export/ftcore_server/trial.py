"""Loads and self-tests a bundle in a process of its own before the server opens it, within limits of time and memory.

A graph may run for ever, take all memory, or crash the native code that runs it; loading may hold the interpreter's
lock. None of that can be undone in a thread, and all of it ends with a process.
"""

from __future__ import annotations

import asyncio
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import Any

from ftcore_runtime.errors import BundleError
from ftcore_runtime.process_limits import limit_process
from ftcore_server.settings import Loading

_LINE = 2**16  # bytes of what a trial has to say, at most


async def try_bundle(path: Path, variant: str | None, threads: int, loading: Loading) -> str:
    """Load and self-test the bundle at `path` elsewhere; returns its fingerprint.

    Args:
        variant: its default one if None.
        threads: of one run.

    Raises:
        BundleError: it does not load, fails its self-test, or takes more time or memory than it may.
    """
    memory = loading.memory_bytes or 2**30 + 8 * _size(path)
    request = {
        "path": str(path),
        "variant": variant,
        "threads": threads,
        "memory": memory,
        "cpu_seconds": math.ceil(loading.seconds * threads) + 10,  # should nobody be left to end it
    }
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "ftcore_server.trial", json.dumps(request)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for the server, which ends its trials
        limit=_LINE,
        env=_environment(),
    )
    assert process.stdout is not None
    try:
        async with asyncio.timeout(loading.seconds):
            line = await process.stdout.readline()
            code = await process.wait()
    except TimeoutError:
        raise BundleError(
            f"was not loaded and self-tested within {loading.seconds:g} s",
            where=str(path),
            hint="a graph of it may never end; where the machine is slow, raise --load-timeout",
        ) from None
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return _outcome(line, code, path, memory)


def _outcome(line: bytes, code: int, path: Path, memory: int) -> str:
    """The fingerprint that a trial found, or its error."""
    if not line.endswith(b"\n"):
        how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
        raise BundleError(
            f"ended the process that loaded and self-tested it ({how})",
            where=str(path),
            hint=f"it may need more memory than {memory:,} bytes (--load-memory), or be damaged",
        )
    reply = json.loads(line)
    if "fingerprint" not in reply:
        raise BundleError(reply["what"], where=reply["where"], hint=reply["hint"])
    fingerprint: str = reply["fingerprint"]
    return fingerprint


def _environment() -> dict[str, str]:
    """That of the server with its modules' folders, but without its secret."""
    kept = {name: value for name, value in os.environ.items() if name != "FTCORE_TOKEN"}
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def _size(path: Path) -> int:
    """Bytes of a folder's files; 0 where there is none, which the trial finds out."""
    try:
        with os.scandir(path) as entries:
            return sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
    except OSError:
        return 0


def _try(request: dict[str, Any]) -> dict[str, Any]:
    """Do what the process was started for."""
    limit_process(request["memory"], request["cpu_seconds"])
    from ftcore_runtime.errors import UserError
    from ftcore_runtime.pipeline import Pipeline

    threads = request["threads"]
    try:
        pipeline = Pipeline.load(request["path"], request["variant"], threads=threads, run_threads=threads)
        pipeline.selftest()
    except UserError as error:
        return {"what": error.what[:2000], "where": error.where, "hint": error.hint}
    except MemoryError:
        what = f"needs more memory than {request['memory']:,} bytes"
        return {"what": what, "where": request["path"], "hint": "raise --load-memory"}
    return {"fingerprint": pipeline.manifest.fingerprint}


if __name__ == "__main__":
    print(json.dumps(_try(json.loads(sys.argv[1]))), flush=True)  # noqa: T201 (to the server that started this)
    os._exit(0)  # nothing that the graphs left running keeps the answer waiting
