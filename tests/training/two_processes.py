"""What each of two processes does in test_distributed.py: several trainings, one after another, in one group."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import sys
from itertools import count
from pathlib import Path
from typing import Any

import torch

from ftcore.cli import main
from ftcore.processes import rank
from ftcore.runs import steps
from ftcore.training import engine
from ftcore.training.gradients import Gradients

NAMES = ("ddp", "fsdp", "dense", "dropout", "one-step-of-two", "summed-step-of-two", "short-step-of-two")


def train(name: str, *options: str) -> int:
    return main(["train", f"{name}.yaml", "--runs-dir", name, *options])


def main_() -> None:
    torch.set_num_threads(1)
    codes: dict[str, Any] = {name: train(name) for name in NAMES}

    whole = engine._Loop._step

    def stopped(self: Any, micro_batches: Any) -> None:
        if rank() == 1 and self.progress.step == 3:
            os.kill(os.getpid(), signal.SIGTERM)  # to one of the two: both must stop after the same step
        whole(self, micro_batches)

    engine._Loop._step = stopped  # type: ignore[method-assign]
    codes["stopped"] = main(["train", "dropout.yaml", "--runs-dir", "stopped"])
    engine._Loop._step = whole  # type: ignore[method-assign]
    (run,) = Path("stopped").glob("*/*")
    codes["stopped at"] = max((run / "checkpoints").glob("step-*")).name
    steps.export = lambda *_: []  # it takes seconds, and one process does it alone
    codes["resumed"] = main(["resume", str(run)])

    backward, step = Gradients._backward, count()

    def poisoned(self: Any, batches: Any, scales: Any) -> Any:
        bad = next(step) == 2 and rank() == 1
        return backward(self, batches, [scale * float("nan") for scale in scales] if bad else scales)

    Gradients._backward = poisoned  # type: ignore[method-assign]
    printed = io.StringIO()
    with contextlib.redirect_stderr(printed):
        codes["poisoned"] = main(["train", "ddp.yaml", "--runs-dir", "poisoned"])
    codes["printed"] = printed.getvalue()
    Path(f"codes-{rank()}.json").write_text(json.dumps(codes))


if __name__ == "__main__":
    main_()
    sys.stdout.flush()
    os._exit(0)  # the process group is torchrun's to take down
