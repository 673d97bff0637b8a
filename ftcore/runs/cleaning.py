"""What of old runs may go: checkpoints of finished ones, and models of those that are neither the best nor the last.

What says how a run was made and what it was worth (record, spec, events, metrics, predictions, report) always stays, so
that it can be compared and reproduced. A run that is not finished stays whole: it can be resumed.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ftcore.errors import UserError
from ftcore.runs.folder import RunFolder
from ftcore.runs.status import status_of


@dataclass(frozen=True)
class Part:
    """A folder of a run that may go.

    Args:
        bytes: of its files.
        why: it is not needed.
    """

    path: Path
    bytes: int
    why: str

    def remove(self) -> None:
        """Delete it.

        Raises:
            OSError: it cannot be.
        """
        shutil.rmtree(self.path)


def removable(runs: Sequence[RunFolder]) -> list[Part]:
    """What may go of some runs.

    Args:
        runs: newest first, as `run_paths` gives them.
    """
    by_spec: dict[str, list[RunFolder]] = defaultdict(list)
    for run in runs:
        # What cannot be read is left alone; `ftcore runs` says what is wrong with it.
        with suppress(UserError):
            if status_of(run) == "finished":
                by_spec[run.path.parent.name].append(run)
    return [part for finished in by_spec.values() for part in _of_spec(finished)]


def _of_spec(finished: Sequence[RunFolder]) -> Iterator[Part]:
    """Of the finished runs of one spec, newest first."""
    kept = {finished[0].path, *_best(finished)}
    for run in finished:
        yield from _part(run.checkpoints, "the run is finished, and has its model")
        if run.path not in kept:
            for folder in (run.model, run.bundle):
                yield from _part(folder, "neither the best nor the last run of its spec")


def _best(runs: Sequence[RunFolder]) -> Iterator[Path]:
    """The best run for each monitored metric, on validation; and every run that does not say how good it is."""
    best: dict[str, tuple[float, Path]] = {}
    for run in runs:
        found = _value(run)
        if found is None:
            yield run.path
            continue
        metric, value = found
        if metric not in best or value > best[metric][0]:
            best[metric] = value, run.path
    yield from (path for _, path in best.values())


def _value(run: RunFolder) -> tuple[str, float] | None:
    """The monitored metric and its value, such that more is better; None where the run does not say it."""
    if not run.metrics_file.is_file():
        return None
    measured: dict[str, Any] = run.metrics()
    higher = measured.get("higher_is_better")
    value = (
        measured["splits"].get("validation", {}).get("metrics", {}).get(measured["metric"], {}).get("value")
    )
    if higher is None or value is None:
        return None
    return measured["metric"], value if higher else -value


def _part(folder: Path, why: str) -> Iterator[Part]:
    if folder.is_dir() and not folder.is_symlink():
        files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
        if size := sum(path.stat().st_size for path in files):
            yield Part(folder, size, why)
