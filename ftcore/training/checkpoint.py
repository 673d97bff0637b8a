"""Checkpoints that are whole or not there: safetensors and JSON, a manifest of hashes, an atomic rename.

A checkpoint is a folder `step-<number>`, published whole. Reading one verifies each file against the manifest first.
Nothing is ever pickled. Kept are the newest and the one before it, and of each of these the best one it knows of:
whichever of the two a run goes on from, its best weights are there as well.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, load_model, save_file, save_model

from ftcore import processes
from ftcore.errors import UserError
from ftcore.files import read_json, write_json
from ftcore.training import random_state
from ftcore.training.optimizer_state import join_state, split_state
from ftcore.training.precision import Precision
from ftcore.training.sharding import full, full_state, is_sharded, like, load_full_state
from ftcore_runtime.files import sha256
from ftcore_runtime.publishing import discard, publishing

_NAME = re.compile(r"step-(\d{8})")
_MANIFEST = "manifest.json"


@dataclass
class Progress:
    """Where training stands; plain JSON.

    Args:
        step: optimizer steps done.
        epoch: passes begun, from 0.
        step_in_epoch: optimizer steps done of this pass.
        evaluated_step: the last step at which the model was evaluated.
        best_value: best value of the monitored metric; None before the first evaluation.
        best_step: the step it was reached at.
        best_loss: validation loss at that step.
        without_improvement: evaluations since then.
        finished: training came to its end.
    """

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    evaluated_step: int = 0
    best_value: float | None = None
    best_step: int | None = None
    best_loss: float | None = None
    without_improvement: int = 0
    finished: bool = False

    def take(self, value: float, loss: float, *, higher_is_better: bool, min_delta: float) -> None:
        """Record an evaluation at this step: whether it is the best so far, and better by more than `min_delta`.

        Of equal values the one with the lower validation loss is the best, of equal losses the later one.
        """
        gain = math.inf
        if self.best_value is not None:
            gain = value - self.best_value if higher_is_better else self.best_value - value
        if gain > 0 or (gain == 0 and (self.best_loss is None or loss <= self.best_loss)):
            self.best_value, self.best_step = value, self.step
            self.best_loss = loss if math.isfinite(loss) else None
        self.without_improvement = 0 if gain > min_delta else self.without_improvement + 1


@dataclass(frozen=True)
class Setting:
    """What a run must go on with, so that its numbers stay the same to the last bit.

    Args:
        processes: that train together.
        precision: number format of the matrix products, as it was chosen at the start.
        threads: that share a sum on the CPU.
    """

    processes: int
    precision: Precision
    threads: int


@dataclass
class Training:
    """What changes while a model trains, and so must come back after a stop.

    Args:
        model: bare, that is not wrapped for distribution; it may be sharded.
        optimizer: bare.
        scaler: of fp16 losses, or None.
        extras: further tensors by name (averaged weights, ...); `restore` fills them in place.
    """

    model: torch.nn.Module
    optimizer: torch.optim.Optimizer
    scaler: torch.amp.GradScaler | None = None
    extras: Mapping[str, torch.Tensor] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """A checkpoint that was verified."""

    folder: Path
    progress: Progress
    setting: Setting
    state: Mapping[str, Any]


class BadCheckpointError(Exception):
    """A checkpoint that is not what its manifest says."""


class CheckpointStore:
    """The checkpoints of one run. With several processes every one of them calls `save` and `restore`.

    Args:
        folder: holds one folder a checkpoint; made if absent.
        warn: called, with a sentence, for every checkpoint that is passed over.
        spec: SHA-256 of the resolved spec that is trained; checkpoints of another one are refused.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None], spec: str = "") -> None:
        self.folder = folder
        self._warn = warn
        self._spec = spec
        self._damaged: set[int] = set()
        folder.mkdir(parents=True, exist_ok=True)

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, ascending."""
        found = (_NAME.fullmatch(entry.name) for entry in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """Folder of the checkpoint of a step."""
        return self.folder / f"step-{step:08d}"

    def save(self, training: Training, progress: Progress, setting: Setting) -> Path:
        """Write all of this moment; then drop what is not kept.

        Raises:
            OSError: the disk is full or read-only; earlier checkpoints are as they were.
        """
        target = self.path(progress.step)
        with publishing(target) if processes.is_first() else nullcontext() as made:
            if made:
                made.mkdir()
            folder = Path(processes.share_text(str(made or "")))
            self._write(folder, training, progress, setting)
            processes.wait()
            if made:
                _seal(made)
        if processes.is_first():
            self._damaged.discard(progress.step)
            self._prune(progress)
        processes.wait()
        return target

    def newest(self) -> Found | None:
        """The newest whole checkpoint; None where there is none at all.

        A damaged checkpoint is named in a warning, and the one before is tried.

        Raises:
            UserError: there are checkpoints and none is whole.
        """
        steps = self.steps()
        for step in reversed(steps):
            folder = self.path(step)
            try:
                verify(folder)
                state = read_json(folder / "state.json")
                self._require_spec(folder, state.get("spec", ""))
                return Found(folder, Progress(**state["progress"]), Setting(**state["setting"]), state)
            except (BadCheckpointError, TypeError, KeyError) as problem:
                self._damaged.add(step)
                self._warn(f"checkpoint {folder.name} is damaged ({problem}): using the one before")
        if steps:
            raise UserError(
                f"none of the {len(steps)} checkpoints is whole: "
                + ", ".join(self.path(step).name for step in steps),
                where=str(self.folder),
                hint="bring one back from a copy; to give them up and train from step 0, delete this folder and"
                " resume again",
            )
        return None

    def _require_spec(self, folder: Path, spec: str) -> None:
        if spec and self._spec and spec != self._spec:
            raise UserError(
                f"{folder.name} was trained with another spec than spec.resolved.json is now",
                where=str(self.folder),
                hint="bring that file back as it was, or start a new run",
            )

    def restore(self, found: Found, training: Training) -> None:
        """Put a checkpoint into model, optimizer, scaler, extras and random states.

        Raises:
            UserError: it was written by another number of processes.
        """
        there = processes.world()
        if found.setting.processes != there:
            count = found.setting.processes
            start = "ftcore" if count == 1 else f"torchrun --nproc-per-node {count} -m ftcore"
            raise UserError(
                f"{found.folder.name} was written by {count} process(es) and cannot go on exactly in {there}",
                where=str(self.folder),
                hint=f"resume with the same number: {start} resume RUN",
            )
        self._load_weights(training.model, found.folder)
        state = join_state(load_file(found.folder / "optimizer.safetensors"), found.state["optimizer"])
        parameters = [p for group in training.optimizer.param_groups for p in group["params"]]
        for index, entries in state["state"].items():
            for name, value in entries.items():
                if isinstance(value, torch.Tensor):
                    entries[name] = like(value, parameters[index])
        training.optimizer.load_state_dict(state)
        if training.scaler is not None:
            training.scaler.load_state_dict(dict(found.state["scaler"]))
        _load_extras(training.extras, found.folder)
        random_state.restore(read_json(found.folder / _random_file()))

    def load_weights(
        self, model: torch.nn.Module, step: int, extras: Mapping[str, torch.Tensor] | None = None
    ) -> None:
        """Put the weights of one step into `model`, and what else it has into `extras`, in place.

        Raises:
            UserError: the checkpoint is not what its manifest says.
        """
        folder = self.path(step)
        try:
            verify(folder)
        except BadCheckpointError as problem:
            raise UserError(
                f"the checkpoint with the best weights is damaged: {problem}",
                where=str(folder),
                hint="bring it back from a copy and resume, or start a new run",
            ) from problem
        self._load_weights(model, folder)
        _load_extras(extras or {}, folder)

    def _write(self, folder: Path, training: Training, progress: Progress, setting: Setting) -> None:
        """Write every file but the manifest; slices are put together, and the first process writes them."""
        write_json(folder / _random_file(), random_state.capture())
        tensors, plain = split_state(training.optimizer.state_dict())
        extras = {name: full(tensor).contiguous() for name, tensor in training.extras.items()}
        sharded = is_sharded(training.model)
        weights = full_state(training.model) if sharded else {}
        if not processes.is_first():
            return
        if sharded:
            save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
        else:
            save_model(training.model, str(folder / "model.safetensors"))
        save_file(tensors, folder / "optimizer.safetensors")
        if extras:
            save_file(extras, folder / "extras.safetensors")
        write_json(
            folder / "state.json",
            {
                "spec": self._spec,
                "progress": asdict(progress),
                "setting": asdict(setting),
                "optimizer": plain,
                "scaler": training.scaler.state_dict() if training.scaler is not None else None,
            },
        )

    def _prune(self, newest: Progress) -> None:
        keep = {newest.step, newest.best_step}
        for step in reversed(self.steps()):
            if step == newest.step or step in self._damaged:
                continue
            try:
                verify(self.path(step), sizes_only=True)
                before = Progress(**read_json(self.path(step) / "state.json")["progress"])
            except (BadCheckpointError, OSError, ValueError, KeyError, TypeError):
                continue
            keep |= {before.step, before.best_step}
            break
        for step in self.steps():
            if step not in keep:
                discard(self.path(step))

    def _load_weights(self, model: torch.nn.Module, folder: Path) -> None:
        if is_sharded(model):
            load_full_state(model, load_file(folder / "model.safetensors"))
        else:
            load_model(model, str(folder / "model.safetensors"))


def _seal(folder: Path) -> None:
    """Write the manifest of a checkpoint's files."""
    files = {
        path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(folder.iterdir())
    }
    write_json(folder / _MANIFEST, {"files": files})


def verify(folder: Path, *, sizes_only: bool = False) -> None:
    """Hold a checkpoint's files against its manifest.

    Args:
        sizes_only: leave the hashes out: finds what is missing, extra or cut short, not a changed bit.

    Raises:
        BadCheckpointError: a file is missing, extra or changed; the message names it.
    """
    try:
        files: dict[str, dict[str, Any]] = read_json(folder / _MANIFEST)["files"]
        there = {entry.name for entry in folder.iterdir()} - {_MANIFEST}
        for name in sorted(there ^ set(files)):
            raise BadCheckpointError(f"{name} is {'extra' if name in there else 'missing'}")
        for name, expected in files.items():
            size = (folder / name).stat().st_size
            if size != expected["bytes"]:
                raise BadCheckpointError(f"{name} has {size:,} bytes of {expected['bytes']:,}")
            if not sizes_only and sha256(folder / name) != expected["sha256"]:
                raise BadCheckpointError(f"{name} has changed")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise BadCheckpointError(f"{_MANIFEST}: {error}") from error


@torch.no_grad()
def _load_extras(extras: Mapping[str, torch.Tensor], folder: Path) -> None:
    kept = load_file(folder / "extras.safetensors") if extras else {}
    for name, tensor in extras.items():
        tensor.copy_(like(kept[name], tensor))


def _random_file() -> str:
    return f"random-{processes.rank()}.json"
