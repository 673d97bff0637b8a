"""Mutated data files through a whole training (of one step) and through `ftcore predict`: rows in are answers out.

The files are those of `mutated_files`; of each is known how many rows it has. Both commands run as a user runs them,
and end with all rows, or with 2 and an error that names the file.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import random
import re
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mutated_files
from models import save_tiny_bert

from ftcore.cli import main

_SPEC: dict[str, Any] = {
    "task": "classification",
    "model": {"max_length": 8},
    "training": {"recipe": "plain", "max_steps": 1, "batch_size": 8, "precision": "fp32"},
    "evaluation": {"bootstrap": 0},
    "export": {"variants": ["fp32"], "parity_rows": 4},
}
_SPLIT = {"validation": 4, "test": 4}
#: Rows from which a file of three labels is large enough to be split.
_ENOUGH = 40


def _run(*arguments: object) -> tuple[int, str]:
    """Exit code of a command, and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
        code = main([str(argument) for argument in arguments])
    return code, printed.getvalue()


def _spec(data: dict[str, Any], folder: Path) -> Path:
    spec = {**_SPEC, "data": {**data, "split": _SPLIT}}
    spec["model"] = {**_SPEC["model"], "base": str(folder / "base")}
    path = folder / "spec.yaml"
    path.write_text(json.dumps(spec))
    return path


def make_bundle(folder: Path) -> Path:
    """The bundle that answers: of a model that was trained for a step on sound rows."""
    save_tiny_bert(folder / "base", num_hidden_layers=1)
    rows = [{"text": f"good {number}", "label": "abc"[number % 3]} for number in range(60)]
    code, printed = _run("run", _spec({"train": rows}, folder), "--runs-dir", folder / "first")
    assert code == 0, printed
    (bundle,) = folder.glob("first/*/*/bundle")
    return bundle


def trained(file: mutated_files.File, path: Path, folder: Path) -> str | None:
    """What is wrong with a training on the file; None for nothing."""
    options = file.options
    source = {"path": str(path), "format": file.form, "encoding": options.encoding}
    source |= {"delimiter": options.delimiter} if options.delimiter else {}
    source |= {"quoting": options.quoting} if options.quoting else {}
    if file.form == "parquet":
        del source["encoding"]
    code, printed = _run("train", _spec({"train": source}, folder), "--runs-dir", folder / "runs")
    shutil.rmtree(folder / "runs", ignore_errors=True)
    if code == 0:
        (counts,) = re.findall(r"^data: (.*)$", printed, re.MULTILINE)
        rows = sum(
            int(number.replace(",", "")) for number in re.findall(r"([\d,]+) (?:train|test|valid)", counts)
        )
        wanted = len(file.texts) if file.texts is not None else file.least
        wrong = rows != wanted if file.texts is not None else rows < wanted
        return f"trained on {rows} of {wanted} rows" if wrong else None
    if code != 2 or "internal error" in printed:
        return f"training ended with {code}: {printed[-300:]}"
    if file.texts is not None and len(file.texts) >= _ENOUGH:
        return f"a sound file is refused: {printed[-300:]}"
    # Of a broken file the error may be one of all its rows: too few to be split, or of no language that the base knows.
    placed = path.name in printed or "data.split" in printed or "the tokenizer does not know" in printed
    return None if placed else f"no location: {printed[-300:]}"


def answered(file: mutated_files.File, path: Path, bundle: Path, folder: Path) -> str | None:
    """What is wrong with the answers to the file; None for nothing."""
    output, options = folder / "answers.jsonl", file.options
    arguments = ["--format", file.form, "--encoding", options.encoding] if file.form != "parquet" else []
    arguments += ["--delimiter", options.delimiter] if options.delimiter else []
    arguments += ["--quoting", options.quoting] if options.quoting else []
    output.unlink(missing_ok=True)
    code, printed = _run("predict", bundle, "--input", path, "--output", output, *arguments)
    if code not in (0, 2, 3) or "internal error" in printed:
        return f"predict ended with {code}: {printed[-300:]}"
    if code == 2:
        if output.exists():
            return "predict left an output behind its error"
        if file.texts is not None:
            return f"a sound file is not answered: {printed[-300:]}"
        return None if path.name in printed else f"no location: {printed[-300:]}"
    lines = [json.loads(line) for line in output.read_text("utf-8").splitlines()]
    errors = sum("error" in line for line in lines)
    if (code == 3) != bool(errors):
        return f"code {code} with {errors} errors"
    if file.texts is not None and (len(lines), errors) != (len(file.texts), 0):
        return f"{len(lines)} answers ({errors} errors) to {len(file.texts)} rows"
    return f"{len(lines)} answers to {file.least} rows" if len(lines) < file.least else None


def campaign(count: int, seed: int = 0) -> Iterator[str]:
    """What is wrong with any of `count` files."""
    draw = random.Random(seed)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        bundle = make_bundle(folder)
        for number in range(count):
            file = mutated_files.made(draw)
            path = folder / f"rows.{file.form}"
            path.write_bytes(file.data)
            for problem in (trained(file, path, folder), answered(file, path, bundle, folder)):
                if problem:
                    yield f"{number} ({file.form}, {file.options}): {problem}"
            path.unlink()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    problems = []
    for problem in campaign(arguments.count, arguments.seed):
        problems.append(problem)
        sys.stdout.write(f"{problem}\n")
        sys.stdout.flush()
    sys.stdout.write(f"{arguments.count} files; {len(problems)} wrong\n")
    raise SystemExit(bool(problems))
