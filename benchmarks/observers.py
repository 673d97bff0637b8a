"""What a tracker costs a run: the CPU time of its callbacks, and of threads that it starts, over that of the run.

Each tracker watches a run of its own, from training to bundle, in a process of its own with one thread. CPU time, not
the clock: on a machine with other work everything takes longer, and a tracker sleeps while its writes are on the way.
The run's time is the shorter of its CPU time and the clock, so that neither waiting nor other work hides a tracker. It
ends with one JSON line a target.

    pip install 'ftcore[mlflow,tensorboard]'
    python benchmarks/observers.py --rows 2000
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from targets import print_target

_BAR = 0.01


class Account:
    """What observers have used: seconds of CPU in callbacks, in threads of theirs, and to show them events."""

    def __init__(self) -> None:
        self.callbacks = 0.0
        self.shown = 0.0
        self.events = 0
        self._threads: dict[int, float] = {}

    @property
    def total(self) -> float:
        """All of it."""
        return self.callbacks + self.shown + sum(self._threads.values())

    def watch(self) -> None:
        """Count what every watcher does from now on."""
        from ftcore.watching import See, Watcher

        made, shown = Watcher.__init__, Watcher.show

        def make(watcher: Watcher, name: str, see: See, *more: Any) -> None:
            made(watcher, name, lambda event, run: self._see(see, event, run), *more)

        def show(watcher: Watcher, event: Mapping[str, Any], run: Path) -> None:
            begun = time.thread_time()
            shown(watcher, event, run)
            self.shown += time.thread_time() - begun

        Watcher.__init__ = make  # type: ignore[method-assign, assignment]
        Watcher.show = show  # type: ignore[method-assign, assignment]

    def _see(self, see: Any, event: Mapping[str, Any], run: Path) -> None:
        before, begun = {thread.native_id for thread in threading.enumerate()}, time.thread_time()
        see(event, run)
        self.callbacks += time.thread_time() - begun
        self.events += 1
        for thread in threading.enumerate():
            if thread.native_id is not None and thread.native_id not in before:
                self._threads[thread.native_id] = 0.0
        for thread_id in self._threads:
            self._threads[thread_id] = _cpu_of(thread_id) or self._threads[thread_id]


def _cpu_of(thread_id: int) -> float | None:
    """Seconds of CPU of a thread of this process; None once it has ended."""
    try:
        text = Path(f"/proc/self/task/{thread_id}/stat").read_text()
    except OSError:
        return None
    user, system = text.rpartition(")")[2].split()[11:13]
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _measure(tracker: str, rows: int, folder: Path) -> None:
    """One run; prints a JSON object."""
    import ftcore

    account = Account()
    account.watch()
    os.chdir(folder)
    sample = {"train": rows, "validation": 500}
    clock, cpu = time.monotonic(), time.process_time()
    run = ftcore.run(
        "sentiment", data={"sample": sample}, observers=[tracker], progress=False, checks={"audit": "off"}
    )
    clock, cpu = time.monotonic() - clock, time.process_time() - cpu
    spent = min(clock, cpu - account.total)
    found = {
        "tracker": tracker,
        "events": account.events,
        "observer_seconds": round(account.total, 3),
        "callbacks": round(account.callbacks, 3),
        "shown": round(account.shown, 4),
        "run_cpu_seconds": round(cpu, 1),
        "run_clock_seconds": round(clock, 1),
        "share": account.total / spent,
        "status": run.status,
    }
    print(json.dumps(found))


def main() -> int:
    """Measure each tracker; returns the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trackers", nargs="+", default=["tensorboard", "mlflow"], metavar="NAME")
    parser.add_argument("--rows", type=int, default=2000, help="training rows (default: 2000)")
    parser.add_argument("--child", metavar="NAME", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        _measure(args.child, args.rows, Path.cwd())
        return 0
    ok = True
    for tracker in args.trackers:
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, str(Path(__file__).resolve()), "--child", tracker]
            done = subprocess.run(
                [*command, "--rows", str(args.rows)],
                stdout=subprocess.PIPE,
                text=True,
                check=True,
                cwd=folder,
                env={**os.environ, "OMP_NUM_THREADS": "1"},
            )
        line = done.stdout.splitlines()[-1]
        print(line)
        ok = (
            print_target(
                f"{tracker}: observer's CPU over the run's time",
                json.loads(line)["share"],
                _BAR,
                at_most=True,
            )
            and ok
        )
    return 0 if ok else 1


if __name__ == "__main__":
    raise SystemExit(main())
