"""The loop: one optimizer step after another, evaluation in between, checkpoints that resume exactly.

Device, number format and distribution are accelerate's; order, loss, schedule, evaluation, early stopping and
checkpoints are here. The engine knows no family: it calls `outputs`, `loss` and `weight`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from ftcore.data.batching import BatchPlan
from ftcore.data.features import FeatureStore
from ftcore.errors import Interrupted
from ftcore.families.base import Family
from ftcore.spec.sections import TrainingSpec
from ftcore.training.checkpoint import CheckpointStore, Progress
from ftcore.training.optimization import learning_rate_factor, make_optimizer
from ftcore.training.precision import choose_precision
from ftcore.training.stopping import StopRequest

Emit = Callable[..., None]
#: Metrics of the validation split for the model as it is.
Validate = Callable[[torch.nn.Module], Mapping[str, float]]

_LOG_EVERY = 10  # steps between two readings of the loss


class NotFiniteError(Exception):
    """Loss or gradient became NaN or infinite; the update was not applied."""


@dataclass(frozen=True)
class Job:
    """All that one fine-tuning needs.

    Args:
        model: on the CPU, float32; it is changed in place.
        train: the training features.
        validate: called every so often; None trains without.
        metric: the key of its result that picks the best checkpoint.
        resume: start from the newest checkpoint if there is one.
    """

    training: TrainingSpec
    family: Family[Any]
    model: torch.nn.Module
    train: FeatureStore
    validate: Validate | None
    metric: str
    higher_is_better: bool
    checkpoints: CheckpointStore
    emit: Emit
    stop: StopRequest
    resume: bool = False


def make_accelerator(training: TrainingSpec, emit: Emit) -> Accelerator:
    """The accelerator in the precision that the spec asks for; says what `auto` chose."""
    precision, why = choose_precision(training.precision)
    accelerator = Accelerator(mixed_precision="no" if precision == "fp32" else precision)
    emit(
        "device",
        device=str(accelerator.device),
        precision=precision,
        why=why,
        processes=accelerator.num_processes,
    )
    return accelerator


def fine_tune(job: Job) -> Progress:
    """Train `job.model` and leave it with the weights of its best evaluation.

    Raises:
        Interrupted: a stop was asked for; a checkpoint of that moment is there.
        NotFiniteError: loss or gradient is NaN or infinite; the last checkpoint stands.
    """
    return _Loop(job).run()


class _Loop:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.training = job.training
        self.accelerator = make_accelerator(job.training, job.emit)
        optimizer = make_optimizer(job.model, job.training)
        self.model, self.optimizer = self.accelerator.prepare(job.model, optimizer)
        self.plan = BatchPlan(
            lengths=job.train.lengths,
            batch_size=job.training.batch_size,
            accumulation=job.training.gradient_accumulation,
            seed=job.training.seed,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        per_epoch = self.plan.steps_per_epoch
        self.total = job.training.max_steps or max(1, math.ceil(job.training.epochs * per_epoch))
        every = job.training.evaluate_every
        self.evaluate_every = per_epoch if every == "epoch" else every
        self.progress = Progress()
        self.meter = _Meter()

    def run(self) -> Progress:
        progress, emit = self.progress, self.job.emit
        if self.job.resume and (found := self.job.checkpoints.restore(self._bare(), self.optimizer)):
            progress = self.progress = found
            emit("resumed", step=progress.step)
        emit(
            "training_started",
            steps=self.total,
            steps_per_epoch=self.plan.steps_per_epoch,
            rows=len(self.job.train),
        )
        self.model.train()
        while not progress.finished:
            steps = self.plan.epoch(progress.epoch)
            for micro_batches in steps[progress.step_in_epoch :]:
                self._step(micro_batches)
                if progress.step_in_epoch == len(steps):
                    progress.epoch, progress.step_in_epoch = progress.epoch + 1, 0
                last = progress.step >= self.total
                if last or progress.step % self.evaluate_every == 0:
                    progress.finished = self._evaluate() or last
                    self._checkpoint()
                if progress.finished:
                    break
                if self.job.stop.exit_code is not None:
                    self._checkpoint()
                    raise Interrupted(self.job.stop.exit_code)
        emit(
            "training_finished",
            step=progress.step,
            best_step=progress.best_step,
            best_value=progress.best_value,
        )
        self._take_best()
        return progress

    def _step(self, micro_batches: list[np.ndarray]) -> None:
        """One optimizer step: the loss is a mean over all rows (or tokens) of the step, on every rank."""
        job, progress, accelerator = self.job, self.progress, self.accelerator
        device = accelerator.device
        factor = learning_rate_factor(
            progress.step, self.total, self.training.warmup, self.training.scheduler
        )
        for group in self.optimizer.param_groups:
            group["lr"] = self.training.learning_rate * factor
        batches = [job.train.batch(indices) for indices in micro_batches]
        weight = sum((job.family.weight(batch) for batch in batches), torch.zeros(()))
        weight = accelerator.reduce(weight.to(device), reduction="sum")
        step_loss = torch.zeros((), device=device)
        for i, batch in enumerate(batches):
            on_device = {name: value.to(device, non_blocking=True) for name, value in batch.items()}
            with nullcontext() if i == len(batches) - 1 else accelerator.no_sync(self.model):
                with accelerator.autocast():
                    outputs = job.family.outputs(self.model, on_device)
                # Ranks average their gradients, so each one's share is scaled back up to a sum.
                loss = job.family.loss(outputs, on_device) * accelerator.num_processes / weight
                accelerator.backward(loss)
            step_loss += loss.detach()
        norm = accelerator.clip_grad_norm_(self.model.parameters(), self.training.max_grad_norm)
        if not torch.isfinite(norm):
            self.optimizer.zero_grad()
            rows = sorted({int(job.train.row[i]) for indices in micro_batches for i in indices})
            raise NotFiniteError(
                f"loss {step_loss.item()} and gradient norm {norm.item()} in step {progress.step + 1}; the update"
                f" was not applied; the step's training rows are {rows}"
            )
        self.optimizer.step()
        self.optimizer.zero_grad()
        progress.step += 1
        progress.step_in_epoch += 1
        self.meter.count(sum(map(len, micro_batches)) * accelerator.num_processes)
        if progress.step % _LOG_EVERY == 0 or progress.step == self.total:
            loss_now = accelerator.reduce(step_loss, reduction="mean").item()
            job.emit(
                "step",
                step=progress.step,
                epoch=round(progress.step / self.plan.steps_per_epoch, 3),
                loss=round(loss_now, 6),
                learning_rate=self.training.learning_rate * factor,
                rows_per_second=round(self.meter.rate(), 1),
            )

    def _evaluate(self) -> bool:
        """Measure, note whether it got better, and say whether to stop early."""
        job, progress = self.job, self.progress
        if job.validate is None:
            progress.best_step = progress.step
            return False
        start = time.perf_counter()
        metrics = job.validate(self._bare())
        self.model.train()
        value = metrics[job.metric]
        stopping = self.training.early_stopping
        gain = math.inf if progress.best_value is None else value - progress.best_value
        if progress.best_value is not None and not job.higher_is_better:
            gain = -gain
        if gain > 0:
            progress.best_value, progress.best_step = value, progress.step
        enough = gain > (stopping.min_delta if stopping else 0.0)
        progress.without_improvement = 0 if enough else progress.without_improvement + 1
        seconds = time.perf_counter() - start
        self.meter.skip(seconds)
        job.emit(
            "evaluated", step=progress.step, metrics=dict(metrics), best=progress.best_step == progress.step
        )
        return stopping is not None and progress.without_improvement >= stopping.patience

    def _checkpoint(self) -> None:
        start = time.perf_counter()
        path = self.job.checkpoints.save(self._bare(), self.optimizer, self.progress)
        self.meter.skip(time.perf_counter() - start)
        self.job.emit("checkpoint_saved", step=self.progress.step, path=path.name)

    def _take_best(self) -> None:
        best = self.progress.best_step
        if best is not None and best != self.progress.step:
            self.job.checkpoints.load_weights(self._bare(), best)

    def _bare(self) -> torch.nn.Module:
        model: torch.nn.Module = self.accelerator.unwrap_model(self.model)
        return model


class _Meter:
    """Rows per second of training alone: evaluation and checkpoints are left out."""

    def __init__(self) -> None:
        self._rows = 0
        self._start = time.perf_counter()

    def count(self, rows: int) -> None:
        self._rows += rows

    def skip(self, seconds: float) -> None:
        self._start += seconds

    def rate(self) -> float:
        return self._rows / max(time.perf_counter() - self._start, 1e-9)
