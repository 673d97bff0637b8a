"""Training speed of an encoder-decoder from scratch against the Seq2SeqTrainer: same model, rows, batches, machine.

    python benchmarks/translation.py --data FOLDER --source en --target de [--rows 6400] [--steps 100] [--rounds 3]

FOLDER holds train.jsonl. The preset `transformer-tiny` and a tokenizer of 4,000 tokens are made of its rows once; all
start from these weights and take 32 rows a step. The contenders:

    recipe   the Seq2SeqTrainer as transformers' run_translation example sets it up: padded to the longest row of the
             batch, batches in random order, fp32, the arguments' defaults
    best     the same at its best: grouped by the length of source and target together, bf16 where the hardware has it
    ftcore   shipped defaults

Each training is a process of its own, and the contenders take turns: recipe best ftcore recipe best ftcore ... The
first 20 steps of each warm caches and kernels; time is that of the steps after them, making the batches included.
What counts is the median over rounds of the ratio of target tokens a second, padding left out: the rows that fall into
the timed steps are not the same, and neither are their lengths.

Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import chain, count, islice
from pathlib import Path
from typing import Any

import datasets
import torch
import transformers
from fits import fitted, write_rows
from peer_trainer import quietly
from targets import print_target

from ftcore.data.batching import BatchPlan
from ftcore.families.text_generation.from_scratch import make_base
from ftcore.families.text_generation.spec import TextGenerationModel
from ftcore.training.precision import choose_precision

CONTENDERS = ("recipe", "best", "ftcore")
BATCH, LONGEST, RATE, SEED = 32, 128, 1e-3, 42
WARM = 20  # steps
Pair = dict[str, str]


@dataclass(frozen=True)
class Fit:
    """What the timed steps of one training read, and how long they took."""

    rows: int
    tokens: int
    seconds: float

    @property
    def speed(self) -> float:
        """Target tokens a second, without padding."""
        return self.tokens / self.seconds


def read(args: argparse.Namespace) -> list[Pair]:
    """The rows, by the names that ftcore gives their columns."""
    lines = (args.data / "train.jsonl").read_text(encoding="utf-8").splitlines()
    rows = map(json.loads, lines[: args.rows])
    return [{"source": row[args.source], "target": row[args.target]} for row in rows]


def make_model(rows: list[Pair], folder: Path) -> None:
    """Tokenizer, configuration and first weights that all start from."""
    spec = TextGenerationModel(
        base="transformer-tiny", init="config", max_length=LONGEST, max_target_length=LONGEST
    )
    sources, targets = ([row[side] for row in rows] for side in ("source", "target"))
    made = make_base(spec, Path.cwd(), sources, targets, folder)
    torch.manual_seed(SEED)
    transformers.AutoModelForSeq2SeqLM.from_config(made.config).save_pretrained(folder)


def fit_ftcore(rows: list[Pair], base: Path, steps: int, scratch: Path) -> Fit:
    """`ftcore train`, through the same code as the command, timed by its events."""
    times: dict[int, float] = {}

    def listen(event: Mapping[str, Any]) -> None:
        if event["event"] == "step":
            times[event["step"]] = time.perf_counter()

    write_rows(rows, scratch / "train.jsonl")
    spec = {
        "task": "translation",
        "data": {"train": "train.jsonl", "validation": rows[:1], "test": rows[:1]},
        "model": {"base": str(base), "max_length": LONGEST, "max_target_length": LONGEST},
        "generation": {"max_length": 1},
        "training": {
            "max_steps": WARM + steps,
            "batch_size": BATCH,
            "learning_rate": RATE,
            "seed": SEED,
            "evaluate_every": WARM + steps,
        },
        "evaluation": {"bootstrap": 0},
    }
    workspace = fitted(spec, scratch, ["train"], [listen])
    features = workspace.features("train")
    plan = BatchPlan(features.lengths, BATCH, 1, SEED)
    taken = islice(chain.from_iterable(map(plan.epoch, count())), WARM, WARM + steps)
    timed = [row for step in taken for batch in step for row in batch]
    tokens = features.column("target_length")[timed].sum()
    return Fit(len(timed), int(tokens), times[WARM + steps] - times[WARM])


def fit_trainer(rows: list[Pair], base: Path, steps: int, scratch: Path, *, best: bool) -> Fit:
    """The Seq2SeqTrainer, timed by its callbacks."""
    transformers.set_seed(SEED)
    tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(base)
    model = transformers.AutoModelForSeq2SeqLM.from_pretrained(base)

    def ids(field: str) -> list[list[int]]:
        texts = [row[field] for row in rows]
        found: list[list[int]] = tokenizer(texts, max_length=LONGEST, truncation=True)["input_ids"]
        return found

    columns: dict[str, Any] = {"input_ids": ids("source"), "labels": ids("target")}
    columns["attention_mask"] = [[1] * len(row) for row in columns["input_ids"]]
    lengths = [len(x) + len(y) for x, y in zip(columns["input_ids"], columns["labels"], strict=True)]
    pad = transformers.DataCollatorForSeq2Seq(tokenizer, model=model)
    batches: list[tuple[int, int]] = []  # rows and target tokens of each
    times: list[float] = []  # when each step ended

    def collate(features: list[dict[str, Any]]) -> Any:
        batches.append((len(features), sum(len(feature["labels"]) for feature in features)))
        return pad(features)

    class Clock(transformers.TrainerCallback):  # type: ignore[misc]  # a base without types
        def on_step_end(self, *_: Any, **__: Any) -> None:
            times.append(time.perf_counter())

    trainer = transformers.Seq2SeqTrainer(
        model,
        transformers.Seq2SeqTrainingArguments(
            str(scratch / "trainer"),
            max_steps=WARM + steps,
            per_device_train_batch_size=BATCH,
            learning_rate=RATE,
            seed=SEED,
            bf16=best and choose_precision("auto")[0] == "bf16",
            train_sampling_strategy="group_by_length" if best else "random",
            **quietly(),
        ),
        train_dataset=datasets.Dataset.from_dict({**columns, "length": lengths}),
        data_collator=collate,
        processing_class=tokenizer,
        callbacks=[Clock()],
    )
    trainer.remove_callback(transformers.PrinterCallback)
    trainer.train()
    timed = batches[WARM : WARM + steps]
    return Fit(sum(n for n, _ in timed), sum(n for _, n in timed), times[-1] - times[WARM - 1])


def fit(contender: str, rows: list[Pair], base: Path, steps: int) -> Fit:
    """One training of one contender."""
    with tempfile.TemporaryDirectory() as scratch:
        if contender == "ftcore":
            return fit_ftcore(rows, base, steps, Path(scratch))
        return fit_trainer(rows, base, steps, Path(scratch), best=contender == "best")


def alone(contender: str, args: argparse.Namespace, base: Path) -> Fit:
    """`fit` in a process of its own."""
    command = [sys.executable, __file__, "--only", contender, "--base", str(base)]
    for name in ("data", "source", "target", "rows", "steps"):
        command += [f"--{name}", str(getattr(args, name))]
    environment = {**os.environ, "FTCORE_CACHE": str(base.parent / "cache")}
    said = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment)
    return Fit(**json.loads(said.stdout.splitlines()[-1]))


def compare(args: argparse.Namespace) -> None:
    """Measure the rounds, and print what they say."""
    fits: dict[str, list[Fit]] = {name: [] for name in CONTENDERS}
    with tempfile.TemporaryDirectory() as folder:
        base = Path(folder) / "base"
        make_model(read(args), base)
        for round_ in range(args.rounds):
            for name, found in fits.items():
                found.append(one := alone(name, args, base))
                print(
                    f"round {round_ + 1} {name:7} {one.rows / one.seconds:8.1f} rows/s"
                    f" {one.speed:9.0f} target tokens/s",
                    flush=True,
                )
    for name, found in fits.items():
        of_rows, of_tokens = ([one.rows / one.seconds for one in found], [one.speed for one in found])
        print(
            f"{name:7} rows/s {statistics.median(of_rows):.1f} [{min(of_rows):.1f}, {max(of_rows):.1f}],"
            f" target tokens/s {statistics.median(of_tokens):.0f} [{min(of_tokens):.0f}, {max(of_tokens):.0f}]"
        )
    peers = (("best", "the Trainer at its best", 1.0), ("recipe", "the run_translation recipe", 3.0))
    for name, said, bar in peers:
        ratios = [ours.speed / peer.speed for ours, peer in zip(fits["ftcore"], fits[name], strict=True)]
        print_target(f"target tokens/s against {said}", statistics.median(ratios), bar)


def main() -> None:
    """Compare, or take one contender's training."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="a folder with train.jsonl")
    parser.add_argument("--source", default="source", help="the column that is read")
    parser.add_argument("--target", default="target", help="the column that is to be written")
    parser.add_argument("--rows", type=int, default=6400, help="training rows")
    parser.add_argument("--steps", type=int, default=100, help="timed, of each training; a multiple of 10")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=CONTENDERS, help=argparse.SUPPRESS)
    parser.add_argument("--base", type=Path, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.steps < 1 or args.steps % 10:
        parser.error("--steps must be a multiple of 10: ftcore says every tenth step when it ended")
    transformers.logging.set_verbosity_error()
    if args.only:
        print(json.dumps(asdict(fit(args.only, read(args), args.base, args.steps))))
    else:
        compare(args)


if __name__ == "__main__":
    main()
