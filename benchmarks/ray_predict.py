"""`ftcore predict --engine ray` over Parquet with one worker and with two: the plain engine's answers, and the time.

    python benchmarks/ray_predict.py [--bundle DIR] [--rows 20000] [--workers 1 2] [--rounds 2]

Without `--bundle` the model of `serving.py` is made. The rows are tweets, in a folder of Parquet files. Rates are those
of whole commands less what a command takes for 256 rows: Ray's start and the sessions' are paid once, whatever the
number of rows. Each figure is the best of the rounds. Needs `pip install 'ftcore[ray]'`.

Ends with one JSON line a target.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from serving import make_bundle, read_texts
from targets import print_target

SMALL = 256  # rows of the run that is taken off
FILES = 4  # that the rows are spread over


def write_rows(folder: Path, texts: list[str]) -> Path:
    """A folder of Parquet files with a column `text`."""
    import pyarrow
    from pyarrow.parquet import write_table

    folder.mkdir()
    size = -(-len(texts) // FILES)
    for number in range(FILES):
        table = pyarrow.table({"text": texts[number * size : (number + 1) * size]})
        write_table(table, folder / f"{number}.parquet")
    return folder


def predict(bundle: Path, rows: Path, output: Path, *more: str) -> float:
    """Seconds of one command."""
    command = [sys.executable, "-m", "ftcore", "predict", str(bundle), "--input", str(rows)]
    environment = {**os.environ, "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0"}
    start = time.perf_counter()
    subprocess.run(
        [*command, "--output", str(output), *more], check=True, stderr=subprocess.DEVNULL, env=environment
    )
    return time.perf_counter() - start


def answers(path: Path) -> list[dict[str, Any]]:
    """The lines of a file, or of the parts of a folder."""
    files = sorted(path.glob("part-*.jsonl")) if path.is_dir() else [path]
    return [json.loads(line) for file in files for line in file.read_text().splitlines()]


def differing(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> int:
    """Lines of another row, of other columns or of another label."""
    pairs = zip(ours, theirs, strict=True)
    return sum((a["row"], a.get("label"), a.keys()) != (b["row"], b.get("label"), b.keys()) for a, b in pairs)


def main() -> None:
    """The plain engine, then Ray with each number of workers."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bundle", type=Path)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--rounds", type=int, default=2)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = args.bundle or make_bundle(folder)
        texts = list(islice(cycle(read_texts(args.rows)), args.rows))
        rows = write_rows(folder / "rows", texts)
        few = write_rows(folder / "few", texts[:SMALL])
        plain = folder / "plain.jsonl"
        print(f"plain, one thread: {predict(bundle, rows, plain, '--threads', '1'):.1f} s", flush=True)
        expected = answers(plain)
        seconds: dict[int, float] = {}
        different = 0
        for round_ in range(args.rounds):
            for workers in args.workers:
                engine = ["--engine", "ray", "--workers", str(workers)]
                output = folder / f"{workers}-{round_}"
                base = predict(bundle, few, folder / f"few-{workers}-{round_}", *engine)
                whole = predict(bundle, rows, output, *engine)
                print(
                    f"ray, {workers} workers: {whole:.1f} s, {base:.1f} s of it for {SMALL} rows", flush=True
                )
                seconds[workers] = min(seconds.get(workers, whole - base), whole - base)
                different += differing(answers(output), expected)
    print_target("answers of the Ray engine that are not the plain engine's", different, 0, at_most=True)
    fewest, most = min(args.workers), max(args.workers)
    if most > fewest:
        gain = seconds[fewest] / seconds[most]
        bar = 0.85 * most / fewest
        print_target(f"rows a second of {most} workers over those of {fewest}", gain, bar)


if __name__ == "__main__":
    main()
