"""Rows for `few_rows.py`: draws of so many rows a label, sets of several labels made of single ones, and figures."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

Rows = list[dict[str, Any]]
#: What a contender answers for each test row: a set of labels.
Answers = list[frozenset[str]]


def read(path: Path) -> Rows:
    """The rows of a JSON Lines file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def questions(path: Path, test: int) -> tuple[Rows, Rows]:
    """Questions of a SQuAD file, each with the title of its article as label: training rows, and `test` others."""
    articles = json.loads(path.read_text(encoding="utf-8"))["data"]
    rows = [
        {"text": one["question"], "label": article["title"].replace("_", " ")}
        for article in articles
        for paragraph in article["paragraphs"]
        for one in paragraph["qas"]
    ]
    order = np.random.default_rng(0).permutation(len(rows))
    return [rows[i] for i in order[test:]], [rows[i] for i in order[:test]]


def labels_of(row: dict[str, Any]) -> frozenset[str]:
    """The label of a row, or its labels."""
    label = row["label"]
    return frozenset(label) if isinstance(label, list) else frozenset([str(label)])


def drawn(rows: Rows, count: int, draw: int) -> Rows:
    """`count` rows of each label in a random order; a row of several counts for its rarest. 0: all rows."""
    order = np.random.default_rng(draw).permutation(len(rows))
    if not count:
        return [rows[i] for i in order]
    seen: dict[str, int] = {}
    kept = []
    for row in (rows[i] for i in order):
        labels = labels_of(row)
        if any(seen.get(label, 0) < count for label in labels):
            kept.append(row)
            for label in labels:
                seen[label] = seen.get(label, 0) + 1
    return kept


def joined(rows: Rows, count: int, seed: int) -> Rows:
    """`count` rows of several labels: texts of one to three rows in one, of labels whose shares fall as 1 / rank.

    The order of the labels is the same for every seed, so those that are rare are so in training and test rows.
    """
    rng = np.random.default_rng(seed)
    names = sorted({str(row["label"]) for row in rows})
    order = np.random.default_rng(0).permutation(len(names))
    shares = 1.0 / (1.0 + np.argsort(order))
    of_label = {name: [row["text"] for row in rows if row["label"] == name] for name in names}
    made = []
    for size in rng.choice([1, 2, 3], count, p=[0.3, 0.4, 0.3]):
        chosen = [names[i] for i in rng.choice(len(names), size, replace=False, p=shares / shares.sum())]
        texts = [of_label[name][rng.integers(len(of_label[name]))] for name in chosen]
        made.append({"text": " ".join(texts), "label": sorted(chosen)})
    return made


def micro(truth: Sequence[frozenset[str]], answers: Sequence[frozenset[str]]) -> float:
    """Micro F1; accuracy where each row has one label and one answer."""
    hits = sum(len(right & given) for right, given in zip(truth, answers, strict=True))
    total = sum(len(right) + len(given) for right, given in zip(truth, answers, strict=True))
    return 2 * hits / total if total else 0.0


def macro(truth: Sequence[frozenset[str]], answers: Sequence[frozenset[str]]) -> float:
    """Mean F1 of the labels that some row has."""
    names = sorted(frozenset().union(*truth))
    right = np.array([[name in one for name in names] for one in truth])
    given = np.array([[name in one for name in names] for one in answers])
    return float(np.mean(2 * (right & given).sum(0) / np.maximum(1, right.sum(0) + given.sum(0))))


def mean_interval(values: Sequence[float]) -> tuple[float, float]:
    """Mean and half of the width of its 95 % interval over draws (Student); infinite of a single draw."""
    from scipy.stats import t

    if len(values) < 2:
        return float(np.mean(values)), float("inf")
    half = float(t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return float(np.mean(values)), half


def paired_interval(
    truth: Sequence[frozenset[str]], ours: Sequence[Answers], theirs: Sequence[Answers]
) -> tuple[float, float]:
    """95 % of the difference in micro F1, ours less theirs: draws and test rows are drawn again, together for both."""
    rng = np.random.default_rng(1)
    counts = np.array(
        [
            [[[len(r & g), len(r) + len(g)] for r, g in zip(truth, one, strict=True)] for one in side]
            for side in (ours, theirs)
        ]
    )  # [2 sides, draws, rows, (hits, total)]
    _, draws, rows, _ = counts.shape
    found = []
    for _ in range(2000):
        which, taken = rng.integers(0, draws, draws), rng.integers(0, rows, rows)
        hits, total = np.moveaxis(counts[:, which][:, :, taken].sum((1, 2)), 1, 0)
        each = 2 * hits / np.maximum(total, 1)
        found.append(each[0] - each[1])
    low, high = np.percentile(found, [2.5, 97.5])
    return float(low), float(high)
