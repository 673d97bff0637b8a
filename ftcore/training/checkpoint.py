"""Checkpoints that are whole or not there: safetensors and JSON, a manifest of hashes, an atomic rename.

A checkpoint is a folder `step-<number>`, written beside under a hidden name, every file flushed, then renamed and
its parent flushed. Reading one verifies each file against the manifest first. Nothing is ever pickled.
"""

from __future__ import annotations

import random
import re
import shutil
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, load_model, save_file, save_model

from ftcore.files import read_json, sha256, sync_file, sync_folder, write_json

_NAME = re.compile(r"step-(\d{8})")
_MANIFEST = "manifest.json"


@dataclass
class Progress:
    """Where training stands; plain JSON.

    Args:
        step: optimizer steps done.
        epoch: passes begun, from 0.
        step_in_epoch: optimizer steps done of this pass.
        best_value: best value of the monitored metric; None before the first evaluation.
        best_step: the step it was reached at.
        without_improvement: evaluations since then.
        finished: training came to its end.
    """

    step: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    best_value: float | None = None
    best_step: int | None = None
    without_improvement: int = 0
    finished: bool = False


class BadCheckpointError(Exception):
    """A checkpoint that is not what its manifest says."""


class CheckpointStore:
    """The checkpoints of one run.

    Args:
        folder: holds one folder a checkpoint; made if absent.
        warn: told, in a sentence, of every checkpoint that is passed over.
    """

    def __init__(self, folder: Path, warn: Callable[[str], None]) -> None:
        self.folder = folder
        self._warn = warn
        folder.mkdir(parents=True, exist_ok=True)

    def steps(self) -> list[int]:
        """Steps that have a checkpoint, ascending."""
        found = (_NAME.fullmatch(entry.name) for entry in self.folder.iterdir())
        return sorted(int(match[1]) for match in found if match)

    def path(self, step: int) -> Path:
        """Folder of the checkpoint of a step."""
        return self.folder / f"step-{step:08d}"

    def save(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer, progress: Progress) -> Path:
        """Write weights, optimizer, random states and progress of this moment; then drop what is not kept.

        Raises:
            OSError: the disk is full or read-only; earlier checkpoints are as they were.
        """
        target = self.path(progress.step)
        beside = self.folder / f".{target.name}.tmp"
        shutil.rmtree(beside, ignore_errors=True)
        beside.mkdir()
        try:
            save_model(model, str(beside / "model.safetensors"))
            tensors, plain = _split_state(optimizer.state_dict())
            random_tensors, random_plain = _random_state()
            save_file(tensors, beside / "optimizer.safetensors")
            save_file(random_tensors, beside / "random.safetensors")
            write_json(
                beside / "state.json",
                {"progress": asdict(progress), "optimizer": plain, "random": random_plain},
            )
            names = sorted(entry.name for entry in beside.iterdir())
            for name in names:
                sync_file(beside / name)
            write_json(beside / _MANIFEST, {"files": {name: sha256(beside / name) for name in names}})
            if target.exists():  # the same step again, after a resume
                shutil.rmtree(target)
            beside.replace(target)
            sync_folder(self.folder)
        finally:
            shutil.rmtree(beside, ignore_errors=True)
        self._prune(keep={progress.step, progress.best_step})
        return target

    def restore(self, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Progress | None:
        """Take over the newest whole checkpoint; None where there is none at all.

        A damaged checkpoint is named in a warning, and the one before is tried.

        Raises:
            BadCheckpointError: there are checkpoints and none is whole.
        """
        steps = self.steps()
        for step in reversed(steps):
            folder = self.path(step)
            try:
                verify(folder)
            except BadCheckpointError as problem:
                self._warn(f"checkpoint {folder.name} is damaged ({problem}): using the one before")
                continue
            state = read_json(folder / "state.json")
            load_model(model, str(folder / "model.safetensors"))
            optimizer.load_state_dict(
                _join_state(load_file(folder / "optimizer.safetensors"), state["optimizer"])
            )
            _restore_random(load_file(folder / "random.safetensors"), state["random"])
            return Progress(**state["progress"])
        if steps:
            raise BadCheckpointError(f"none of the {len(steps)} checkpoints in {self.folder} is whole")
        return None

    def load_weights(self, model: torch.nn.Module, step: int) -> None:
        """Put the weights of one step into `model`.

        Raises:
            BadCheckpointError: it is not what its manifest says.
        """
        verify(self.path(step))
        load_model(model, str(self.path(step) / "model.safetensors"))

    def _prune(self, keep: set[int | None]) -> None:
        for step in self.steps():
            if step not in keep:
                shutil.rmtree(self.path(step))


def verify(folder: Path) -> None:
    """Hold a checkpoint's files against its manifest.

    Raises:
        BadCheckpointError: a file is missing, extra or changed; the message names it.
    """
    try:
        files: dict[str, str] = read_json(folder / _MANIFEST)["files"]
        there = {entry.name for entry in folder.iterdir()} - {_MANIFEST}
        for name in sorted(there ^ set(files)):
            raise BadCheckpointError(f"{name} is {'extra' if name in there else 'missing'}")
        for name, digest in files.items():
            if sha256(folder / name) != digest:
                raise BadCheckpointError(f"{name} has changed")
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BadCheckpointError(f"{_MANIFEST}: {error}") from error


def _split_state(state: Mapping[str, Any]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """An optimizer's state as tensors by `<parameter>/<name>` and the JSON around them."""
    tensors: dict[str, torch.Tensor] = {}
    plain: dict[str, dict[str, Any]] = {}
    for index, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"{index}/{name}"] = value.contiguous()
            else:
                plain.setdefault(str(index), {})[name] = value
    return tensors, {"state": plain, "param_groups": state["param_groups"]}


def _join_state(tensors: Mapping[str, torch.Tensor], plain: Mapping[str, Any]) -> dict[str, Any]:
    state: dict[int, dict[str, Any]] = {
        int(index): dict(entries) for index, entries in plain["state"].items()
    }
    for key, value in tensors.items():
        index, name = key.split("/", 1)
        state.setdefault(int(index), {})[name] = value
    return {"state": state, "param_groups": plain["param_groups"]}


def _random_state() -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    tensors = {"torch": torch.get_rng_state()}
    if torch.cuda.is_available():
        tensors |= {f"cuda/{i}": value for i, value in enumerate(torch.cuda.get_rng_state_all())}
    kind, keys, position, has_gauss, gauss = np.random.get_state(legacy=True)
    version, words, next_gauss = random.getstate()
    plain = {
        "python": [version, list(words), next_gauss],
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, gauss],
    }
    return tensors, plain


def _restore_random(tensors: Mapping[str, torch.Tensor], plain: Mapping[str, Any]) -> None:
    torch.set_rng_state(tensors["torch"])
    cuda = [tensors[name] for name in sorted(tensors, key=lambda n: (len(n), n)) if name.startswith("cuda/")]
    if cuda and torch.cuda.is_available():
        torch.cuda.set_rng_state_all(cuda)
    version, words, next_gauss = plain["python"]
    random.setstate((version, tuple(words), next_gauss))
    kind, keys, position, has_gauss, gauss = plain["numpy"]
    np.random.set_state((kind, np.asarray(keys, dtype=np.uint32), position, has_gauss, gauss))
