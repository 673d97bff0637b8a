"""What a training will take, measured: a few real steps on rows like all, and the one step that needs most memory."""

from __future__ import annotations

import math
import resource
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from ftcore.audit.model import MOST_ROWS, MOST_ROWS_OF_RUN, ModelAudit
from ftcore.data.batching import BatchPlan
from ftcore.data.tables import Split
from ftcore.modeling.device import torch_device
from ftcore.runs.fitting import Fit, fit, fresh_model
from ftcore.runs.training_inputs import TrainingInputs
from ftcore.spec.training import EPOCHS
from ftcore.training.engine import LOG_EVERY, SECONDS_AT_STAKE
from ftcore.training.memory import peak_memory, rows_and_accumulation
from ftcore.training.stopping import StopRequest

_STEPS = LOG_EVERY + 8  # of which the first ones make what all steps share (kernels for shapes, memory)
_HELD_OUT = 256  # rows of an evaluation that is timed
_WEIGHTS = 4  # bytes
#: Memory of a training on the CPU to its end, over that of its first steps: 1.1 to 1.45 was found, and beyond 1.5 the
#: holes are given back (see `training.malloc`).
_HOLES = 1.2


def estimate(inputs: TrainingInputs, found: ModelAudit, folder: Path, stop: StopRequest) -> dict[str, float]:
    """Seconds of the training (with the audit before it), peak memory and disk space of a run, from a few steps of it.

    A training that chooses for how long it goes on (`training.refit`) is counted to its end: it may take less.

    Args:
        found: what reading the rows once took.
        folder: for checkpoints; empty.

    Returns:
        `steps`, `seconds`, `peak memory, MiB` and `disk, MiB`.

    Raises:
        Interrupted, UserError: see `fine_tune`.
    """
    work = _Work.of(inputs)
    trial = _Trial(inputs, folder, stop)
    trial.run(work.longest, 1)  # the memory that is needed, and all that is done once
    some = _evenly(inputs.splits.validation, work.held_out, _HELD_OUT)
    timed = trial.run(work.sample(_STEPS), _STEPS, some)
    seconds = _seconds(inputs, work, timed, found, evaluated=some.table.num_rows)
    if inputs.spec.checks.audit == "on":
        seconds += _seconds_of_audit(inputs, found)
    disk = min(2, max(1, work.last_evaluations)) * timed.checkpoint_bytes + _WEIGHTS * timed.parameters
    return {
        "steps": work.steps,
        "seconds": round(seconds, 1),
        "peak memory, MiB": round(_peak_bytes() / 2**20),
        "disk, MiB": round(disk / 2**20),
    }


def _seconds(
    inputs: TrainingInputs, work: _Work, timed: _Timed, found: ModelAudit, *, evaluated: int
) -> float:
    """Of all fine-tunings of a run, by what a part of one took.

    Args:
        evaluated: rows of the evaluation that was timed.
    """
    train: int = inputs.splits.train.table.num_rows
    validation: int = inputs.splits.validation.table.num_rows
    evaluation = timed.seconds("step", "evaluated") / max(1, evaluated)  # a row
    saving = timed.seconds("evaluated", "checkpoint_saved")
    probed = getattr(inputs.training, "head_start", None) == "probe"
    head = found.read_seconds * work.tokens + found.probe_seconds if probed else 0.0
    steps = timed.built + head + timed.of_steps(work.steps)
    evaluations = work.evaluations + probed  # the head's start is measured, too
    if not inputs.refits:
        return steps + evaluations * (validation * evaluation + saving)
    both, folds = train + validation, inputs.folds
    held_out = both / folds if folds > 1 else validation
    trial = steps * (both - held_out) / train + evaluations * held_out * evaluation
    trial += min(evaluations, trial / SECONDS_AT_STAKE) * saving
    return folds * trial + steps * both / train + work.last_evaluations * saving


def _seconds_of_audit(inputs: TrainingInputs, found: ModelAudit) -> float:
    """Of the audit that the run makes, which reads fewer rows than this one."""
    rows: int = sum(split.table.num_rows for split in inputs.splits)
    return found.seconds * min(1.0, MOST_ROWS_OF_RUN / min(rows, MOST_ROWS))


@dataclass(frozen=True)
class _Work:
    """What a training does: its steps, and the rows of each.

    Args:
        tokens: of all training rows.
        evaluations: while it goes on and at its end.
        last_evaluations: of the last training, which reads the validation rows as well where `training.refit` holds.
        held_out: tokens of each row of validation.
    """

    rows: Split
    lengths: np.ndarray
    a_step: int
    tokens: int
    steps: int
    evaluations: int
    last_evaluations: int
    held_out: np.ndarray

    @classmethod
    def of(cls, inputs: TrainingInputs) -> _Work:
        training, train = inputs.training, inputs.rows_to_train_on(inputs.splits.train)
        features = inputs.features(train)
        rows, accumulation = rows_and_accumulation(training)
        plan = BatchPlan(features.lengths, rows, accumulation, training.seed, training.token_budget)
        epochs = EPOCHS if training.epochs is None else training.epochs
        steps = training.max_steps or (plan.steps(epochs) if epochs else 0)
        every = training.evaluate_every or "epoch"
        every = plan.steps_per_epoch if every == "epoch" else every
        held_out = inputs.features(inputs.splits.validation)
        rows_of_last = len(features) + (len(held_out) if inputs.refits else 0)
        a_step = math.ceil(len(features) / plan.steps_per_epoch)
        return cls(
            train,
            _by_row(features.row, features.lengths),
            a_step,
            int(features.lengths.sum()),
            steps,
            math.ceil(steps / every),
            math.ceil(steps * rows_of_last / len(features) / every),
            _by_row(held_out.row, held_out.lengths),
        )

    @property
    def longest(self) -> Split:
        """The rows of a step that has the longest ones."""
        return _taken(self.rows, np.argsort(-self.lengths, kind="stable")[: self.a_step], "longest")

    def sample(self, steps: int) -> Split:
        """The rows of so many steps, like all in length."""
        return _evenly(self.rows, self.lengths, steps * self.a_step)


@dataclass
class _Timed:
    """When what happened, of one short training.

    Args:
        built: seconds for the model.
        checkpoint_bytes: of a checkpoint.
        at: kind of an event -> when the last one was, seconds.
        steps: number of a step, and when it was over; the last is the last of all.
    """

    built: float
    parameters: int
    checkpoint_bytes: int = 0
    at: dict[str, float] = field(default_factory=dict)
    steps: list[tuple[int, float]] = field(default_factory=list)

    def seconds(self, first: str, last: str) -> float:
        """Between the last events of two kinds; 0 where there was none."""
        return max(0.0, self.at[last] - self.at[first]) if first in self.at and last in self.at else 0.0

    def of_steps(self, count: int) -> float:
        """Seconds of a training of so many steps, the first of which are slower."""
        (first, warm), (last, end) = self.steps[0], self.steps[-1]
        before = warm - self.at["training_started"]
        if count <= first or last == first:
            return before * count / first
        return before + (count - first) * (end - warm) / (last - first)


@dataclass(frozen=True)
class _Trial:
    """Trains for a few steps."""

    inputs: TrainingInputs
    folder: Path
    stop: StopRequest

    def run(self, rows: Split, steps: int, held_out: Split | None = None) -> _Timed:
        """Train on these rows for so many steps, evaluate and write a checkpoint."""
        changes: dict[str, Any] = {"max_steps": steps, "evaluate_every": steps}
        if getattr(self.inputs.training, "head_start", None) is not None:
            changes["head_start"] = "random"
        inputs = replace(self.inputs, training=self.inputs.training.model_copy(update=changes))
        before = time.perf_counter()
        model = fresh_model(inputs)
        timed = _Timed(time.perf_counter() - before, sum(one.numel() for one in model.parameters()))

        def emit(kind: str, **fields: Any) -> None:  # noqa: ANN401 (an event's fields)
            timed.at[kind] = time.perf_counter()
            if kind == "step":
                timed.steps.append((fields["step"], timed.at[kind]))

        checkpoints = self.folder / rows.name
        fit(inputs, model, Fit(rows, held_out, checkpoints, emit), self.stop, False)
        timed.checkpoint_bytes = sum(file.stat().st_size for file in checkpoints.rglob("*") if file.is_file())
        return timed


def _by_row(row: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """Tokens of each row, of features that may be several a row, int64 [rows]."""
    return np.bincount(row, lengths).astype(np.int64)


def _evenly(rows: Split, lengths: np.ndarray, count: int) -> Split:
    """So many rows, evenly spaced by their length."""
    order = np.argsort(lengths, kind="stable")
    places = np.linspace(0, len(order) - 1, min(count, len(order))).round().astype(np.int64)
    return _taken(rows, order[places], "sample")


def _taken(rows: Split, indices: Sequence[int] | np.ndarray, name: str) -> Split:
    taken = pa.array(np.sort(indices))
    return Split(f"{name} of {rows.name}", rows.table.take(taken), rows.locations.take(taken))


def _peak_bytes() -> int:
    """The most memory of this process so far, and what the holes will add; on a GPU, of it there."""
    device = torch_device()
    if (on_gpu := peak_memory(torch.device(device))) is not None:
        return on_gpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
    return round(_HOLES * peak)
