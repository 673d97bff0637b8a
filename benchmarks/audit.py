"""What `ftcore audit` finds of what was planted into real rows, and in which time.

    python benchmarks/audit.py --data FOLDER --only copies speed labels

FOLDER has one folder a set, with JSON Lines in it. `copies` plants small changes of 2,000 texts (typing errors, a word
less, a word more, words that change places, other case and punctuation) and counts those that are found again; of the
pairs with a planted copy that are found, it counts those that are right: with its origin, or with a text whose
sequence of words is nearly the copy's by another measure (difflib, 0.7). `speed` compares 100,000 texts. `labels`
flips the labels of 5 % of the rows, and takes as many suspects. Each ends with a JSON line for its target.
"""

from __future__ import annotations

import argparse
import gzip
import json
import resource
import time
from collections.abc import Callable, Iterator, Sequence
from difflib import SequenceMatcher
from pathlib import Path

import numpy as np
from targets import print_target

from ftcore.audit.duplicates import near_duplicates
from ftcore.audit.texts import plain
from ftcore.data.perturbation import case, punctuation, typos

#: Sets that copies are planted into: fields of their texts.
_SETS = {
    "sentiment/vader_reviews": ("text",),
    "classification/snips7": ("text",),
    "sentiment/sst2": ("text",),
    "translation/tatoeba_en_de": ("de",),
    "translation/multi30k_en_de": ("en",),
}
_PLANTED = 2_000
_FEWEST_WORDS = 8
_RIGHT = 0.7


def main() -> None:
    """Measure what was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
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
    """Seconds for 100,000 texts: wall time, and processor time beside it on a busy machine."""
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


_PARTS: dict[str, Callable[[argparse.Namespace], Iterator[bool]]] = {"copies": copies, "speed": speed}


if __name__ == "__main__":
    main()
