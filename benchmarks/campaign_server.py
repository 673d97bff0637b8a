"""What the parts of the serving campaign share: a watched server in a process of its own, and the targets."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from targets import print_target

WATCHED = Path(__file__).with_name("serving_watched.py")


@dataclass
class Served:
    """A running server: its process, port, and the file that its log goes to."""

    process: subprocess.Popen[bytes]
    port: int
    log: Path

    def events(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        lines = self.log.read_text().splitlines()
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("}")]

    def megabytes(self) -> float:
        """Its private memory."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("RssAnon:")[1].split()[0]) / 1024


@contextmanager
def server(folder: Path, *arguments: str) -> Iterator[Served]:
    """A server that is ready, its event loop watched; killed at the end if it still lives."""
    log = folder / f"log-{time.monotonic_ns()}"
    command = [sys.executable, str(WATCHED), *arguments, "--port", "0"]
    with log.open("wb") as file:
        process = subprocess.Popen(command, stderr=file)
    served = Served(process, 0, log)
    try:
        end = time.monotonic() + 180  # on a busy machine
        while not any(event["event"] == "ready" for event in served.events()):
            if process.poll() is not None or time.monotonic() > end:
                raise SystemExit(f"the server did not start: {log.read_text()[-500:]}")
            time.sleep(0.05)
        served.port = int(
            next(e["url"] for e in served.events() if e["event"] == "listening").rsplit(":", 1)[1]
        )
        yield served
    finally:
        process.kill()
        process.wait()


class Targets:
    """What was found, one JSON line each."""

    def __init__(self) -> None:
        self.met = True

    def at_most(self, name: str, value: float, bar: float) -> None:
        """Print one that is met from below."""
        self.met &= print_target(name, value, bar, at_most=True)

    def at_least(self, name: str, value: float, bar: float) -> None:
        """Print one that is met from above."""
        self.met &= print_target(name, value, bar)
