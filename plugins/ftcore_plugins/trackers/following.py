"""From the events of runs to what trackers keep: figures by step, final ones with intervals, files, and how it ended.

A run that is resumed goes on in the tracker: its folder has what the tracker calls it, and its earlier events.
The run of a seed or a fold is a child of the run that it is in.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any, Protocol

from ftcore.api import write_json

#: Where the folder of a run keeps what trackers call it.
_NAMES = "trackers.json"
#: Files and folders of a run that a tracker gets when the run ends.
ARTIFACTS = ("spec.yaml", "spec.resolved.json", "metrics.json", "export.json", "report.html", "bundle")
#: Several trackers follow a run, each in a thread of its own.
_WRITING = Lock()
_LONGEST = 250  # characters of a parameter

_ENDS = {"run_finished": "finished", "run_failed": "failed", "run_interrupted": "interrupted"}


@dataclass(frozen=True)
class Tracked:
    """What a tracker gets of a run when it begins.

    Args:
        tracker: the tracker's name.
        path: the folder of the run.
    """

    tracker: str
    path: Path

    @cached_property
    def record(self) -> Mapping[str, Any]:
        """run.json."""
        return _read(self.path / "run.json")

    @property
    def project(self) -> str:
        """The name of the spec."""
        return str(self.record.get("name", "ftcore"))

    @property
    def name(self) -> str:
        """What people see: when it was begun and the spec's hash, and of a seed or fold which one."""
        return self.path.name if self.parent is None else f"{self.path.parent.name}-{self.path.name}"

    @property
    def parent(self) -> Tracked | None:
        """The run that this is a seed or a fold of."""
        above = self.path.parent.parent
        return Tracked(self.tracker, above) if (above / "run.json").is_file() else None

    @property
    def parameters(self) -> dict[str, str]:
        """Every value of the resolved spec by its dotted path, cut where it is long."""
        values = _flat(_read(self.path / "spec.resolved.json"))
        return {name: text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…" for name, text in values}

    @property
    def tags(self) -> dict[str, str]:
        """Where it is, and what it was made with."""
        record = self.record
        kept = {name: str(record.get(name)) for name in ("task", "family", "seed", "git_revision")}
        return {**kept, "version": str(record.get("versions", {}).get("ftcore")), "folder": str(self.path)}

    @property
    def known_as(self) -> str | None:
        """What the tracker calls it, where it has seen it before."""
        return _read(self.path / _NAMES).get(self.tracker)

    def remember(self, name: str) -> None:
        """Keep what the tracker calls it."""
        file = self.path / _NAMES
        with _WRITING:
            write_json(file, {**_read(file), self.tracker: name})

    @property
    def artifacts(self) -> list[Path]:
        """What there is of the files that a tracker keeps."""
        return [path for name in ARTIFACTS if (path := self.path / name).exists()]


class Tracking(Protocol):
    """One run in a tracker."""

    #: Whether it takes figures from before once more, and keeps each once.
    catches_up: bool

    def log(self, values: Mapping[str, float], step: int | None, phase: str) -> None:
        """Keep figures; of no step where they are final. Each of several trainings, a phase, counts its own steps."""

    def end(self, status: str) -> None:
        """Keep the run's files; `status` is finished, failed or interrupted."""


class Follower:
    """What an observer does with each event.

    Args:
        tracker: its name.
        begin: opens a run in the tracker; one that it has seen before goes on.
    """

    def __init__(self, tracker: str, begin: Callable[[Tracked], Tracking]) -> None:
        self._tracker = tracker
        self._begin = begin
        self._open: dict[Path, Tracking] = {}
        self._behind: dict[Path, str] = {}

    def __call__(self, event: Mapping[str, Any], run: Path) -> None:
        """See one event of a run."""
        kind = event["event"]
        if kind in ("step_started", "training_started", "resumed", *_FIGURES):
            tracking = self._of(run, event)
            if kind not in ("step_started", "training_started"):
                self._catch_up(tracking, event, run)
            _log(tracking, event)
        elif kind in _ENDS:
            self._end(run, _ENDS[kind])

    def _of(self, run: Path, event: Mapping[str, Any]) -> Tracking:
        if run not in self._open:
            self._behind[run] = event["time"]
            self._open[run] = self._begin(Tracked(self._tracker, run))
        return self._open[run]

    def _catch_up(self, tracking: Tracking, event: Mapping[str, Any], run: Path) -> None:
        """Log what the run's earlier processes did: one that was killed may not have come to it.

        Args:
            event: the first after them that says where the run goes on: after some step, or not with a training.
        """
        began = self._behind.pop(run, None)
        if began is None or not tracking.catches_up:
            return
        kept: dict[tuple[object, ...], Mapping[str, Any]] = {}
        for earlier in _events(run, began):
            of = earlier["event"], earlier.get("phase"), earlier.get("split"), earlier.get("step")
            goes_on = event["event"] == "resumed" and event.get("phase") == earlier.get("phase")
            if not goes_on or "step" not in earlier or earlier["step"] <= event["step"]:
                kept[of] = earlier
        for earlier in kept.values():
            _log(tracking, earlier)

    def _end(self, run: Path, status: str) -> None:
        """End a run, and those in it that were not ended: it was stopped within them."""
        for path in [path for path in self._open if path == run or run in path.parents]:
            self._open.pop(path).end(status)


_FIGURES = ("step", "evaluated", "measured")


def _log(tracking: Tracking, event: Mapping[str, Any]) -> None:
    """Log the figures of an event, if it has any."""
    phase = str(event.get("phase", ""))
    match event["event"]:
        case "step":
            tracking.log(_prefixed(phase, "train", _STEP, event), event["step"], phase)
        case "evaluated":
            metrics = {**event["metrics"], "loss": event["loss"]}
            tracking.log(_prefixed(phase, "eval", metrics, metrics), event["step"], phase)
        case "measured":
            tracking.log(dict(_final(event["split"], event["metrics"])), None, "")


def _events(run: Path, before: str) -> Iterator[Mapping[str, Any]]:
    """The events with figures from before a time; the last line may be cut short."""
    with (run / "events.jsonl").open(encoding="utf-8", errors="replace") as file:
        for line in file:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if event["time"] >= before:
                return
            if event["event"] in _FIGURES:
                yield event


_STEP = ("loss", "learning_rate", "rows_per_second")


def _prefixed(
    phase: str, what: str, names: Mapping[str, object] | tuple[str, ...], event: Mapping[str, Any]
) -> dict[str, float]:
    """`eval/accuracy`; of one of several trainings `refit/train/loss`. What is no number is left out."""
    front = f"{phase}/{what}" if phase else what
    values = {f"{front}/{name}": event.get(name) for name in names}
    return {name: value for name, value in values.items() if value is not None and math.isfinite(value)}


def _final(split: str, metrics: Mapping[str, Mapping[str, float]]) -> Iterator[tuple[str, float]]:
    """`test/accuracy`, and its interval as `test/accuracy/low` and `test/accuracy/high`."""
    for name, found in metrics.items():
        for part in ("value", "low", "high"):
            value = found.get(part)
            if value is not None and math.isfinite(value):
                yield f"{split}/{name}" + ("" if part == "value" else f"/{part}"), value


def _flat(values: Mapping[str, Any], front: str = "") -> Iterator[tuple[str, str]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{front}{name}.")
        else:
            yield f"{front}{name}", value if isinstance(value, str) else json.dumps(value)


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def require(package: str) -> None:
    """Look for the package of a tracker, and import nothing: that takes seconds, which no run waits for.

    Raises:
        ModuleNotFoundError: it is not installed.
    """
    if find_spec(package) is None:
        raise ModuleNotFoundError(f"No module named {package!r}", name=package)
