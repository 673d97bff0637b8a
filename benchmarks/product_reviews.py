"""Makes `tasks/data/product_reviews.*.jsonl`: what reviews of a shop's products say of an aspect.

    python benchmarks/product_reviews.py

A review speaks of two or three aspects, often with opposite opinions, and there is a row for each: the same text has
another label with another aspect, so neither the text nor the aspect alone says it. Validation and test have clauses
and products of their own. It is the project's own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from pathlib import Path

FOLDER = Path(__file__).parents[1] / "tasks" / "data"
REVIEWS = {"train": 520, "validation": 90, "test": 170}

#: Aspect -> label -> clauses: the last is that of test rows, the one before it that of validation rows.
CLAUSES: dict[str, dict[str, list[str]]] = {
    "delivery": {
        "positive": [
            "it came a day early",
            "the parcel was here within hours",
            "shipping was quick and well announced",
            "the courier even rang twice and waited",
            "it arrived sooner than they had said",
            "I had it in my hands the next morning",
        ],
        "negative": [
            "I waited three weeks for it",
            "the parcel was thrown over the fence",
            "shipping took for ever",
            "it went to the wrong house twice",
            "it was late, and nobody told me",
            "the driver left it in the rain and drove off",
        ],
        "neutral": [
            "it came by post on Tuesday",
            "the parcel was sent from Leeds",
            "shipping is by courier only",
            "it was delivered to a locker",
            "they ship on weekdays",
            "it was brought in the afternoon",
        ],
    },
    "price": {
        "positive": [
            "it is a bargain",
            "for so little money you cannot go wrong",
            "it cost half of what others ask",
            "the discount made it really cheap",
            "it is worth every cent",
            "you get a lot for what you pay",
        ],
        "negative": [
            "it is far too expensive",
            "they charge double for the name",
            "that much money for plastic is a joke",
            "it was cheaper everywhere else",
            "it costs more than it should",
            "I regret what I paid for it",
        ],
        "neutral": [
            "it costs 49 euros",
            "I paid by invoice",
            "the price is the same in all colours",
            "it was 20 pounds plus tax",
            "it is sold for what the list says",
            "I paid 35 for it",
        ],
    },
    "quality": {
        "positive": [
            "it is solid and beautifully made",
            "nothing wobbles, it will last for years",
            "the material feels great",
            "it works flawlessly every day",
            "it is built like a tank",
            "everything about it is carefully made",
        ],
        "negative": [
            "it broke on the second day",
            "the lid cracked at once",
            "it feels flimsy and cheap to the touch",
            "the screws fell out after a week",
            "it stopped working within a month",
            "it came apart when I first used it",
        ],
        "neutral": [
            "it is made of steel and plastic",
            "the surface is matt",
            "it weighs two kilos",
            "it has four screws",
            "the inside is coated",
            "it is made of oak",
        ],
    },
    "service": {
        "positive": [
            "the people on the phone were lovely",
            "support answered in minutes and solved it",
            "they exchanged it without a question",
            "the chat helped me at once",
            "they really care when you write to them",
            "whoever answered my mail was kind and quick",
        ],
        "negative": [
            "nobody ever answers the phone",
            "support was rude and of no help",
            "they never wrote back",
            "the hotline hung up on me",
            "they sent me from one desk to the next",
            "my mails were ignored for weeks",
        ],
        "neutral": [
            "support can be reached from nine to five",
            "there is a chat and a phone number",
            "I wrote to them once",
            "the hotline is in English",
            "they ask for the order number first",
            "there is a form for questions",
        ],
    },
    "packaging": {
        "positive": [
            "it was wrapped with love",
            "the box was sturdy and free of plastic",
            "everything was packed perfectly",
            "the carton opens so easily",
            "it was packed so well that nothing could happen",
            "the wrapping alone is a present",
        ],
        "negative": [
            "the box was crushed",
            "it was packed in heaps of useless plastic",
            "the carton was torn and wet",
            "nothing protected it inside",
            "it rattled around in a box that was far too large",
            "the wrapping was dirty and half open",
        ],
        "neutral": [
            "it comes in a brown box",
            "the carton has a label on top",
            "it is wrapped in paper",
            "there is foam around it",
            "the box is 40 centimetres long",
            "it is packed in two parts",
        ],
    },
}
PRODUCTS = {
    "train": ["lamp", "kettle", "backpack", "radio", "chair", "mixer", "jacket", "tent"],
    "validation": ["shelf", "headset", "pan"],
    "test": ["clock", "suitcase", "drill", "blender"],
}
_JOINTS = [", but ", ". ", " and ", "; ", ", although ", ". And "]
_OPENINGS = ["", "", "Bought the {}: ", "About the {}: ", "Two months with this {}: ", "The {}, honestly: "]


def review(draw: random.Random, split: str) -> list[dict[str, str]]:
    """A row for each aspect of one review."""
    own = {"train": slice(0, 4), "validation": slice(4, 5), "test": slice(5, 6)}[split]
    aspects = draw.sample([*CLAUSES], draw.choice([2, 2, 3]))
    labels = [draw.choice(["negative", "negative", "positive", "positive", "neutral"]) for _ in aspects]
    clauses = [
        draw.choice(CLAUSES[aspect][label][own]) for aspect, label in zip(aspects, labels, strict=True)
    ]
    text = draw.choice(_OPENINGS).format(draw.choice(PRODUCTS[split])) + clauses[0]
    for clause in clauses[1:]:
        text += draw.choice(_JOINTS) + clause
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
