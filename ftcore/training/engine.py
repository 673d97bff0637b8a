"""The loop: one optimizer step after another, evaluation in between, checkpoints that resume exactly.

Device, number format and distribution are accelerate's; order, loss, schedule, evaluation, early stopping and
checkpoints are here. The engine knows no family: it calls `outputs`, `loss` and `weight`. Batches are made in
this process from a memory map, so there are no loader workers whose state would have to be kept.
"""

from __future__ import annotations

import math
import time
from contextlib import nullcontext

import numpy as np
import torch
from accelerate.utils import set_seed

from ftcore import processes
from ftcore.data.batching import BatchPlan
from ftcore.errors import ExitCode, Interrupted, RunFailed
from ftcore.spec.training import EPOCHS, LEARNING_RATE
from ftcore.training.averaging import make_average
from ftcore.training.checkpoint import Found, Progress, Training
from ftcore.training.device import is_to_be_sharded, make_accelerator, prepare, setting_of
from ftcore.training.freezing import Freezing
from ftcore.training.gradients import Gradients
from ftcore.training.guard import FiniteGuard, Seen
from ftcore.training.job import Job, Validation
from ftcore.training.malloc import FreedMemory
from ftcore.training.memory import peak_memory, rows_and_accumulation
from ftcore.training.meter import Meter
from ftcore.training.optimization import shrink
from ftcore.training.schedules import learning_rate_factor, set_learning_rates

LOG_EVERY = 10  # steps between two readings of the loss
#: Of a trial's training, which a kill may cost; a checkpoint takes as long as a dozen small steps.
SECONDS_AT_STAKE = 30


def fine_tune(job: Job) -> Progress:
    """Train `job.model` and leave it with the weights of its best evaluation (a trial's are those of its last step).

    Raises:
        Interrupted: a stop was asked for; a checkpoint of that moment is there.
        RunFailed: loss or gradient is NaN or infinite, or a checkpoint cannot be written; the last one stands.
        UserError: no checkpoint to resume from is whole, or another number of processes wrote it.
    """
    with job.stop.deferred():
        return _Loop(job).run()


class _Loop:
    def __init__(self, job: Job) -> None:
        self.job = job
        self.training = job.training
        self.found: Found | None = job.checkpoints.newest() if job.resume else None
        self.accelerator = make_accelerator(
            job.training, job.emit, self.found.setting if self.found else None
        )
        self.setting = self.found.setting if self.found else setting_of(self.accelerator)
        self.freed = FreedMemory() if self.accelerator.device.type == "cpu" else None
        self.freezing = Freezing(job.model, job.training.freeze)
        self.model, self.optimizer = prepare(job.model, job.training, self.accelerator)
        sharded = is_to_be_sharded(job.training)
        bare = self.optimizer.optimizer
        self.guard = FiniteGuard(
            bare,
            self.accelerator.device,
            deferred=self.accelerator.device.type == "cuda"
            and bool(bare.defaults.get("fused"))
            and self.accelerator.scaler is None
            and not sharded
            and not (job.training.l1 or job.training.ema),  # these move weights without the optimizer
            locations=job.locations,
        )
        self.average = make_average(self._bare(), job.training)
        self.gradients = Gradients(
            self.model,
            job.train,
            job.family,
            job.training,
            self.accelerator,
            sharded=sharded,
            halved=lambda rows: job.emit("micro_batch_halved", step=self.progress.step + 1, rows=rows),
        )
        rows, accumulation = rows_and_accumulation(job.training)
        self.plan = BatchPlan(
            lengths=job.train.lengths,
            batch_size=rows,
            accumulation=accumulation,
            seed=job.training.seed,
            token_budget=job.training.token_budget,
            rank=self.accelerator.process_index,
            world=self.accelerator.num_processes,
        )
        self.total = self._steps()
        self.end = round(job.share * self.total)
        self.progress = Progress()
        self.meter = Meter()
        self.saved = time.monotonic()

    def _steps(self) -> int:
        """Optimizer steps of the whole training; 0 where a recipe keeps the head's start."""
        epochs = EPOCHS if self.training.epochs is None else self.training.epochs
        return self.training.max_steps or (self.plan.steps(epochs) if epochs else 0)

    def run(self) -> Progress:
        job, emit = self.job, self.job.emit
        if self.found:
            job.checkpoints.restore(self.found, self._state())
            self.progress = self.found.progress
        elif processes.world() > 1:
            # Built alike on every process; from here on each draws a dropout of its own.
            set_seed((self.training.seed + 1_000_003 * processes.rank()) % 2**32)
        progress = self.progress
        if job.resume:
            emit("resumed", step=progress.step)
        emit(
            "training_started",
            step=progress.step,
            steps=self.end,
            steps_per_epoch=self.plan.steps_per_epoch,
            rows=len(job.train),
        )
        self.model.train()
        # A stop came between a step and its evaluation, or the model is evaluated before the first one.
        if self._due():
            self._between_steps()
        progress.finished |= progress.step >= self.end
        while not progress.finished:
            self.freezing.begin(progress.epoch)
            steps = self.plan.epoch(progress.epoch)
            for micro_batches in steps[progress.step_in_epoch :]:
                self._step(micro_batches)
                if self.freed:
                    self.freed.after_step()
                if progress.step_in_epoch == len(steps):
                    progress.epoch, progress.step_in_epoch = progress.epoch + 1, 0
                self._between_steps()
                if progress.finished:
                    break
        emit(
            "training_finished",
            step=progress.step,
            best_step=progress.best_step,
            best_value=progress.best_value,
        )
        self._take_best()
        return progress

    def _between_steps(self) -> None:
        """Evaluate and write a checkpoint where they are due; stop where that was asked for.

        Raises:
            Interrupted: it was; the checkpoint of this moment is there.
        """
        progress, every = self.progress, self.training.checkpoint_every
        stop = processes.largest(self.job.stop.exit_code or 0)
        save = bool(stop) or (every != "evaluation" and progress.step % every == 0)
        if self._due() and not stop:
            self.guard.check()
            stop = self._evaluate_or_stop()
            save = save or bool(stop) or self._is_due_to_save()
        if save:
            self._checkpoint()
        if stop:
            raise Interrupted(ExitCode(stop))

    def _is_due_to_save(self) -> bool:
        """Whether the model that was evaluated just now is to be kept."""
        return not self.job.trial or processes.largest(int(time.monotonic() - self.saved)) >= SECONDS_AT_STAKE

    def _due(self) -> bool:
        """Whether the model as it is has yet to be evaluated."""
        progress, every = self.progress, self.training.evaluate_every or "epoch"
        if progress.step == 0:
            return self.job.evaluate_first and progress.best_step is None
        at = progress.step_in_epoch == 0 if every == "epoch" else progress.step % every == 0
        at |= progress.step >= self.end
        return at and progress.evaluated_step != progress.step

    def _evaluate_or_stop(self) -> int:
        """Evaluate; or, where a single process is asked to stop meanwhile, leave it for the resumed run.

        Returns:
            the exit code that was asked for, 0 for none.
        """
        with self.average.in_model(self.progress.step) if self.average else nullcontext():
            if processes.world() > 1:  # the others would wait for ever; all stop after the evaluation
                self._note(self._measure())
                return processes.largest(self.job.stop.exit_code or 0)
            try:
                with self.job.stop.at_once():
                    validation = self._measure()
            except Interrupted as stop:
                return stop.exit_code
            self._note(validation)
            return 0

    def _step(self, micro_batches: list[np.ndarray]) -> None:
        """One optimizer step: the loss is a mean over all rows (or tokens) of the step, on every rank."""
        job, progress, accelerator = self.job, self.progress, self.accelerator
        factor = learning_rate_factor(progress.step, self.total, self.training)
        set_learning_rates(self.optimizer, factor)
        loss, seen, counted = self.gradients.add(micro_batches, progress.epoch)
        if counted:
            self._update(self.gradients.clip(), seen)
        else:
            self.optimizer.zero_grad()
        progress.step += 1
        progress.step_in_epoch += 1
        self.meter.count(sum(map(len, micro_batches)) * accelerator.num_processes)
        if progress.step % LOG_EVERY == 0 or progress.step == self.end:
            self.guard.check()
            job.emit(
                "step",
                step=progress.step,
                epoch=round(progress.step / self.plan.steps_per_epoch, 3),
                loss=round(processes.total(loss).item() / accelerator.num_processes, 6),
                learning_rate=(self.training.learning_rate or LEARNING_RATE) * factor,
                rows_per_second=round(self.meter.rate(), 1),
                gpu_bytes=peak_memory(accelerator.device),
            )

    def _update(self, norm: torch.Tensor, seen: Seen) -> None:
        """Apply the gradient unless it is not finite.

        Raises:
            RunFailed: it is not (on a GPU it is raised within a few steps, and nothing is applied meanwhile).
        """
        scaler = self.accelerator.scaler
        if scaler is None:
            self.guard.look(self.progress.step + 1, norm, seen)
        self.optimizer.step()
        if self.training.l1:
            shrink(self.optimizer, self.training.l1)
        if self.average:
            self.average.after_step()
        self.optimizer.zero_grad()
        # The scaler passes over steps and scales down until they fit.
        if scaler is not None and scaler.get_scale() < 1:
            raise RunFailed(
                f"the loss of step {self.progress.step + 1} is not finite in fp16 however it is scaled; the last"
                " checkpoint stands\n  help: train in `precision: bf16` or `fp32`"
            )

    def _measure(self) -> Validation | None:
        """Metrics and loss of the validation split; None where there is none to measure on."""
        start = time.perf_counter()
        validation = self.job.validate(self._bare()) if self.job.validate else None
        self.model.train()
        self.meter.skip(time.perf_counter() - start)
        return validation

    def _note(self, validation: Validation | None) -> None:
        """Take down whether it got better, and whether training is at its end."""
        job, progress = self.job, self.progress
        progress.evaluated_step = progress.step
        progress.finished = progress.step >= self.end
        if validation is None:
            progress.best_step = progress.step
            return
        stopping = self.training.early_stopping
        progress.take(
            validation.metrics[job.metric],
            validation.loss,
            higher_is_better=job.higher_is_better,
            min_delta=stopping.min_delta if stopping else 0.0,
        )
        if stopping is not None and progress.without_improvement >= stopping.patience:
            progress.finished = True
        job.emit(
            "evaluated",
            step=progress.step,
            metrics=dict(validation.metrics),
            loss=validation.loss if math.isfinite(validation.loss) else None,
            best=progress.best_step == progress.step,
        )

    def _checkpoint(self) -> None:
        start = time.perf_counter()
        self.guard.check()
        try:
            path = self.job.checkpoints.save(self._state(), self.progress, self.setting)
        except OSError as error:
            raise RunFailed(
                f"the checkpoint of step {self.progress.step} could not be written ({error.strerror or error});"
                " the one before stands\n  help: fix that, then resume the run"
            ) from error
        self.meter.skip(time.perf_counter() - start)
        self.saved = time.monotonic()
        self.job.emit("checkpoint_saved", step=self.progress.step, path=path.name)

    def _state(self) -> Training:
        return Training(self._bare(), self.optimizer.optimizer, self.accelerator.scaler, self._extras())

    def _extras(self) -> dict[str, torch.Tensor]:
        """What must survive a stop besides weights and optimizer, by name; filled in place."""
        parts = {"average": self.average, "memory": self.gradients.memory}
        return {f"{part}/{name}": t for part, its in parts.items() if its for name, t in its.tensors.items()}

    def _take_best(self) -> None:
        best = self.progress.best_step
        if best is not None and best != self.progress.step and not self.job.trial:
            self.job.checkpoints.load_weights(self._bare(), best, self._extras())
        if self.average:
            self.average.put_into_model()

    def _bare(self) -> torch.nn.Module:
        model: torch.nn.Module = self.accelerator.unwrap_model(self.model)
        return model
