"""Whether the base that `ftcore recommend` takes is as good, fine-tuned, as the best of several.

    python benchmarks/recommend.py --data FOLDER --base A --base B --settings 10

FOLDER has one folder a set, with train.jsonl and test.jsonl. For each setting (a set, and so many of its training rows)
the command measures the bases and takes one; then every base is fine-tuned by the default recipe and measured on the
test rows. The pick is right where its figure is not below the interval of the best one. The end is a JSON line for each
target: in how many settings the pick is right, and the share of the time of fine-tuning all that it took (the median).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from targets import print_target

#: Set and training rows of each setting, those that take least time first.
_SETTINGS = (
    ("classification/snips7", 100),
    ("sentiment/sst2", 200),
    ("sentiment/vader_reviews", 200),
    ("sentiment/sst5", 300),
    ("classification/banking77", 600),
    ("classification/snips7", 500),
    ("sentiment/sst2", 1000),
    ("sentiment/vader_reviews", 1000),
    ("sentiment/sst5", 2000),
    ("classification/banking77", 2000),
)


def main() -> None:
    """Measure each setting."""
    args = _arguments()
    right, shares = 0, []
    for name, rows in _SETTINGS[: args.settings]:
        found = _setting(args, args.data / name, rows)
        print(json.dumps({"set": name, "rows": rows, **found}), flush=True)
        right += found["right"]
        shares.append(found["share of the time"])
    settings = len(shares)
    ok = print_target("settings in which the pick is as good as the best", right, 0.8 * settings)
    share = statistics.median(shares)
    ok &= print_target("share of the time of fine-tuning all, median", share, 0.2, at_most=True)
    raise SystemExit(0 if ok else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--base", dest="bases", action="append", required=True, help="at least two")
    parser.add_argument("--settings", type=int, default=len(_SETTINGS), help="the first so many")
    parser.add_argument("--test-rows", type=int, default=1000)
    parser.add_argument("--max-length", type=int, default=64)
    return parser.parse_args()


def _setting(args: argparse.Namespace, folder: Path, rows: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        spec = {
            "task": "classification",
            "data": {
                "train": str((folder / "train.jsonl").resolve()),
                "test": str((folder / "test.jsonl").resolve()),
                "sample": {"train": rows, "validation": max(20, rows // 10), "test": args.test_rows},
            },
            "model": {"base": args.bases[0], "max_length": args.max_length},
            "checks": {"audit": "off"},
        }
        YAML().dump(spec, Path(scratch) / "spec.yaml")
        bases = [part for base in args.bases for part in ("--base", base)]
        before = time.perf_counter()
        table = json.loads(_ftcore(["recommend", "spec.yaml", "--json", *bases], scratch))
        seconds = time.perf_counter() - before
        probed = {
            one["base"]["ref"]: one["measured"]["metric"]["value"]
            for one in table["bases"]
            if one["measured"] and one["base"]["ref"] in args.bases
        }
        before = time.perf_counter()
        tuned = {base: _fine_tuned(base, scratch) for base in args.bases}
        spent = time.perf_counter() - before
    pick = max(probed, key=lambda base: float(probed[base]))
    best = max(tuned.values(), key=lambda metric: float(metric["value"]))
    return {
        "pick": pick,
        "probe": probed,
        "fine-tuned": {base: round(metric["value"], 4) for base, metric in tuned.items()},
        "interval of the best": [round(best["low"], 4), round(best["high"], 4)],
        "right": tuned[pick]["value"] >= best["low"],
        "seconds": round(seconds, 1),
        "share of the time": round(seconds / spent, 3),
    }


def _fine_tuned(base: str, folder: str) -> dict[str, Any]:
    """The monitored metric of a fine-tuned base on the test rows."""
    runs = Path(folder) / "runs"
    _ftcore(["train", "spec.yaml", "--set", f"model.base={base}", "--runs-dir", str(runs)], folder)
    newest = max(runs.glob("*/*"), key=lambda path: path.stat().st_mtime)
    _ftcore(["evaluate", str(newest)], folder)
    found = json.loads((newest / "metrics.json").read_text("utf-8"))
    metric: dict[str, Any] = found["splits"]["test"]["metrics"][found["metric"]]
    return metric


def _ftcore(arguments: Sequence[str], folder: str) -> str:
    """What a command prints.

    Raises:
        SystemExit: it failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "ftcore", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"ftcore {' '.join(arguments)}: {done.stderr}")
    return done.stdout


if __name__ == "__main__":
    main()
