"""Makes `tasks/data/product_reviews.*.jsonl`: what reviews of a shop's products say of an aspect.

    python benchmarks/product_reviews.py

A review speaks of two aspects, mostly with opposite opinions, and there is a row for each: the same text has another
label with another aspect, so neither the text nor the aspect alone says it. Validation and test have opinions and
products of their own. It is the project's own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "tasks" / "data"
REVIEWS = {"train": 900, "validation": 100, "test": 200}

ASPECTS = [
    "delivery",
    "price",
    "quality",
    "service",
    "packaging",
    "colour",
    "size",
    "sound",
    "manual",
    "design",
]
#: Label -> opinions, of training rows, of validation rows, of test rows.
OPINIONS: dict[str, tuple[list[str], list[str], list[str]]] = {
    "positive": (
        [
            "is great", "was excellent", "is really good", "is better than I had hoped", "is perfect for us",
            "made me happy", "is the best I have seen", "could not be better", "is lovely", "convinced me at once",
            "deserves five stars", "is a joy",
        ],
        ["is wonderful", "was a pleasant surprise", "left nothing to wish for"],
        ["is fantastic", "was very satisfying", "impressed everyone here", "is superb", "is what I like most about it"],
    ),
    "negative": (
        [
            "is awful", "was very poor", "is really bad", "is worse than I had feared", "is useless for us",
            "made me angry", "is the worst I have seen", "is a disgrace", "annoyed me from the start", "let me down",
            "does not deserve one star", "is a pain",
        ],
        ["is terrible", "was a nasty surprise", "left a lot to be desired"],
        [
            "is dreadful", "was very disappointing", "upset everyone here", "is a disaster",
            "is what I hate most about it",
        ],
    ),
    "neutral": (
        [
            "is average", "was as described", "is okay, no more", "is neither good nor bad", "is what you would expect",
            "is the usual", "is like that of any other", "did not matter to me", "is nothing special",
            "can be found on the website", "is the same as last year", "was as on the picture",
        ],
        ["is ordinary", "was as announced", "made no difference to us"],
        ["is mediocre", "was as stated", "is of no importance to me", "is so-so", "has not changed since last time"],
    ),
}  # fmt: skip
PRODUCTS = {
    "train": ["lamp", "kettle", "backpack", "radio", "chair", "mixer", "jacket", "tent"],
    "validation": ["shelf", "headset", "pan"],
    "test": ["clock", "suitcase", "drill", "blender"],
}
_JOINTS = [", but ", ". ", " and ", "; ", ", while ", ". And "]
_OPENINGS = ["", "", "Bought the {}: ", "About the {}: ", "Two months with this {}: ", "The {}, honestly: "]
_SPLITS = ("train", "validation", "test")


def review(draw: random.Random, split: str) -> list[dict[str, str]]:
    """A row for each aspect of one review."""
    aspects = draw.sample(ASPECTS, 2)
    labels = draw.sample([*OPINIONS], 2) if draw.random() < 0.85 else [draw.choice([*OPINIONS])] * 2
    own = _SPLITS.index(split)
    clauses = [
        f"the {aspect} {draw.choice(OPINIONS[label][own])}"
        for aspect, label in zip(aspects, labels, strict=True)
    ]
    text = draw.choice(_OPENINGS).format(draw.choice(PRODUCTS[split])) + draw.choice(_JOINTS).join(clauses)
    if draw.random() < 0.3:
        text = text.lower()
    return [
        {"text": text, "aspect": aspect, "label": label}
        for aspect, label in zip(aspects, labels, strict=True)
    ]


def rows(split: str) -> Iterator[dict[str, str]]:
    """The rows of a split, always the same; no two reviews are."""
    draw, seen = random.Random(f"reviews {split}"), set[str]()
    while len(seen) < REVIEWS[split]:
        made = review(draw, split)
        if (text := made[0]["text"].lower()) not in seen:
            seen.add(text)
            yield from made


def files() -> Iterator[tuple[str, str]]:
    """Name and content of each file."""
    for split in REVIEWS:
        lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in rows(split)]
        yield f"product_reviews.{split}.jsonl", "".join(lines)


def main() -> None:
    """Write the files."""
    for name, content in files():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
