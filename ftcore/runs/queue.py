"""A catalog on one machine: a queue of runs, each in a process of its own, that shares GPUs and cores.

Which spec became which run is kept on disk, and every run resumes by itself; so a queue that was killed goes on
where it was when the same command is given again. Base models, rows and tokenised rows are shared through the
cache: whoever needs something first makes it, and the others wait for it.
"""

from __future__ import annotations

import hashlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from ftcore.errors import ExitCode, Interrupted
from ftcore.events import read_events
from ftcore.files import read_json, write_json
from ftcore.runs.folder import RunFolder, create_run, spec_digest
from ftcore.runs.placement import Placed, choose_gpu, free_memory
from ftcore.runs.status import status_of
from ftcore.runs.teacher_folder import pin_teacher
from ftcore.spec import ResolvedSpec

_POLL = 0.5  # seconds
_TAIL = 65_536  # bytes of events that are looked at


@dataclass
class Entry:
    """One spec of the queue.

    Args:
        folder: its run.
        status: of the run, or "waiting".
        exit_code: of its process; None while there is none, or where another queue started it.
        note: the newest thing worth a table cell.
        gpu: where it runs, or ran.
        peak: the most GPU memory that torch has held for it, bytes; None where that has not been measured.
    """

    name: str
    folder: RunFolder
    status: str = "waiting"
    exit_code: int | None = None
    note: str = ""
    gpu: str | None = None
    peak: int | None = None


Show = Callable[[Sequence[Entry]], None]


def plan(resolved: Sequence[ResolvedSpec], runs_dir: Path) -> tuple[list[Entry], Path]:
    """A run for each spec: one that an earlier queue of the same specs left unfinished, else a new one.

    Returns:
        the entries, and the file that remembers them until all are finished.
    """
    names = sorted(str(spec.path.resolve()) for spec in resolved)
    file = runs_dir / f".queue-{hashlib.sha256(repr(names).encode()).hexdigest()[:12]}.json"
    before: Mapping[str, str] = read_json(file)["runs"] if file.exists() else {}
    entries: list[Entry] = []
    made: dict[str, str] = {}
    for spec in resolved:
        key = f"{spec.path.resolve()} {spec_digest(spec.spec)}"
        folder = RunFolder(Path(before[key])) if key in before else None
        if folder is None or not folder.record_file.exists():
            folder = create_run(pin_teacher(spec), runs_dir)
        made[key] = str(folder.path.resolve())
        entries.append(Entry(spec.name, folder, status_of(folder)))
        write_json(file, {"runs": {**before, **made}})
    return entries, file


def run_queue(
    entries: Sequence[Entry], jobs: int, devices: Sequence[str], options: Sequence[str], show: Show
) -> None:
    """Work the entries off, `jobs` at a time.

    Args:
        devices: the GPUs, as CUDA_VISIBLE_DEVICES names them; each job is placed on one. Empty: the cores are
            divided.
        options: passed on to every process.
        show: called with the entries again and again.

    Raises:
        Interrupted: Ctrl-C or SIGTERM; passed on to the runs, which have stopped and can be resumed.
    """
    running: list[tuple[Entry, subprocess.Popen[bytes]]] = []
    waiting = [entry for entry in entries if entry.status != "finished"]
    try:
        while waiting or running:
            for pair in [pair for pair in running if pair[1].poll() is not None]:
                pair[0].exit_code = pair[1].returncode
                running.remove(pair)
            # A run that an earlier queue's process is still at work on is left to it until that ends.
            for ready in [entry for entry in waiting if status_of(entry.folder) != "running"]:
                if len(running) == jobs:
                    break
                placed = [Placed(entry.gpu, entry.peak) for entry, _ in running if entry.gpu is not None]
                ready.gpu = choose_gpu(devices, placed, free_memory)
                if devices and ready.gpu is None:
                    break
                waiting.remove(ready)
                if status_of(ready.folder) != "finished":
                    running.append((ready, _start(ready, jobs, options)))
            _look(entries)
            show(entries)
            time.sleep(_POLL)
    except KeyboardInterrupt as stop:
        for _, process in running:
            process.send_signal(signal.SIGTERM)
        for entry, process in running:
            entry.exit_code = process.wait()
        raise stop if isinstance(stop, Interrupted) else Interrupted(ExitCode.INTERRUPTED) from None
    finally:
        _look(entries)
        show(entries)


def exit_code_of(entries: Sequence[Entry]) -> ExitCode:
    """0 where every run is finished; 3 where a missed check is all that went wrong; else 1."""
    bad = [entry for entry in entries if entry.status != "finished"]
    if not bad:
        return ExitCode.OK
    missed = all(entry.exit_code == ExitCode.CHECK_FAILED for entry in bad)
    return ExitCode.CHECK_FAILED if missed else ExitCode.FAILED


def _start(entry: Entry, jobs: int, options: Sequence[str]) -> subprocess.Popen[bytes]:
    """Resume a run in a process of its own, and of its own session: a Ctrl-C reaches it through the queue alone."""
    folder, environment = entry.folder, dict(os.environ)
    if entry.gpu is not None:
        environment["CUDA_VISIBLE_DEVICES"] = entry.gpu
    else:
        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        environment["OMP_NUM_THREADS"] = str(max(1, cores // jobs))
    log: IO[bytes] = (folder.path / "console.log").open("ab")
    with log:
        return subprocess.Popen(
            [sys.executable, "-m", "ftcore", "resume", str(folder.path), *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,
        )


def _look(entries: Sequence[Entry]) -> None:
    """Take down how far each run is, from its record and its events."""
    for entry in entries:
        entry.status = status_of(entry.folder)
        events = read_events(entry.folder.events_file, last_bytes=_TAIL)
        entry.note = next((note for event in reversed(events) if (note := _say(event))), "")
        entry.peak = _peak(events, entry.peak)
        if entry.status == "failed":
            entry.note = (str(entry.folder.record().get("error") or "").splitlines() or [""])[0]


def _peak(events: Sequence[Mapping[str, Any]], known: int | None) -> int | None:
    """What the newest step says of its process's GPU memory; a stop ends what is known, since it gave that back."""
    for event in reversed(events):
        if event["event"] in ("run_interrupted", "run_failed"):
            return None
        if event.get("gpu_bytes"):
            return int(event["gpu_bytes"])
    return known


def _say(event: Mapping[str, Any]) -> str:
    match event["event"]:
        case "step":
            return f"step {event['step']}, loss {event['loss']:.4f}"
        case "evaluated" | "measured":
            where = event.get("split") or f"step {event['step']}"
            name, value = next(iter(event["metrics"].items()))
            return f"{where}: {name} {value['value'] if isinstance(value, dict) else value:.4f}"
        case "variant_exported":
            return f"exported {event['variant']}"
        case _:
            return ""
