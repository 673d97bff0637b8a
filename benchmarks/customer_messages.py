"""Makes `tasks/data/customer_*.jsonl`: what customers write to a shop, with intent and entities, and pairs of it.

    python benchmarks/customer_messages.py

Validation and test have sentences and values of their own: none of their patterns, products, names and places is in the
training rows, so that figures are about what was learnt and not about what was remembered. It is the project's own.
"""

from __future__ import annotations

import json
import random
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parents[1] / "tasks" / "data"
ROWS = {"train": 800, "validation": 150, "test": 300}
PAIRS = {"train": 1200, "validation": 200, "test": 400}

#: Intent -> patterns of the training rows (the last two are of validation), and of the test rows. Slots are labels.
PATTERNS: dict[str, tuple[list[str], list[str]]] = {
    "order_status": (
        [
            "where is my order {order}?",
            "I ordered a {product} on {date} and it has not arrived",
            "can you check order {order} for {person}, please",
            "the tracking of {order} has not moved since {date}",
            "when will the {product} be delivered to {place}?",
            "still no sign of my {product}, the order number is {order}",
        ],
        [
            "my parcel with the {product} was meant to be here by {date}",
            "any news on {order}? it should have gone to {place}",
            "{person} here, what is the status of {order}",
        ],
    ),
    "refund": (
        [
            "I want my {amount} back for the {product}",
            "you charged {amount} twice on {date}",
            "please refund order {order}, the {product} is broken",
            "I sent the {product} back on {date} and have not got my money",
            "how long does it take until {amount} are on my account again?",
            "the refund of {amount} went to {person}, that is not me",
        ],
        [
            "I returned a {product} and am still waiting for {amount}",
            "give me back the {amount} that you took for {order}",
            "the money for my {product} was promised for {date}",
        ],
    ),
    "change_address": (
        [
            "please send it to {place} instead of {place}",
            "I have moved to {place}, can order {order} go there?",
            "change the delivery address of {order} to {place}",
            "the name on the parcel should be {person}, not {person}",
            "from {date} on I live in {place}",
        ],
        [
            "we are leaving {place} on {date}, deliver the {product} to {place}",
            "could you redirect {order}? my new home is in {place}",
        ],
    ),
    "cancel": (
        [
            "cancel order {order}",
            "I do not need the {product} any more, please cancel it",
            "I ordered the {product} by mistake on {date}",
            "{person} has cancelled {order} by phone, why was it sent?",
            "stop the delivery to {place}, I want to cancel",
        ],
        [
            "forget about the {product} that I bought on {date}",
            "I changed my mind about {order}, do not send it to {place}",
        ],
    ),
    "product_question": (
        [
            "does the {product} work with a {product}?",
            "is the {product} in stock in your shop in {place}?",
            "will the {product} still cost {amount} after {date}?",
            "what is the difference between the {product} and the {product}?",
            "how much is a {product}? I have {amount}",
        ],
        [
            "can I pick up a {product} in {place}?",
            "I have got {amount} to spend, is the {product} worth it?",
        ],
    ),
    "complaint": (
        [
            "your driver in {place} was rude to me on {date}",
            "the {product} stopped working after two days",
            "I talked to {person} on {date} and nobody called me back",
            "this is the third broken {product}, I am done with you",
            "{person} from your {place} office hung up on me",
        ],
        [
            "never again: the {product} came without a charger and {person} laughed about it",
            "the service in {place} has been terrible since {date}",
        ],
    ),
}

#: What wants none of that, for validation and for test; training has none of it.
OUT_OF_SCOPE = {
    "validation": [
        "what is the weather like in {place}?",
        "tell me a joke about a {product}",
        "who won the game on {date}?",
        "translate good morning into French",
        "are you a robot or a human?",
        "my cat is called {person}",
    ],
    "test": [
        "how do I cook rice?",
        "which is the best restaurant in {place}?",
        "remind me to call {person} on {date}",
        "play some music",
        "do you believe in aliens?",
        "{person} is my favourite singer",
        "I need a doctor in {place}",
    ],
}
_OTHERS = 0.2  # of validation and test

#: Likewise of values; the last quarter of those of training is of validation.
VALUES: dict[str, tuple[list[str], list[str]]] = {
    "product": (
        [
            "Lumio desk lamp", "coffee grinder", "Vento X2", "rain jacket", "Aria headphones", "garden hose",
            "Kora 14 laptop", "yoga mat", "electric kettle", "Pixo camera", "winter boots", "baby monitor",
            "Norda backpack", "toaster", "Trail 3 tent", "USB-C dock", "air fryer", "Sola watch",
        ],
        [
            "Brisk blender", "rice cooker", "Fjell sleeping bag", "Omni 7 phone", "standing desk", "bike helmet",
            "Quint router", "wool blanket",
        ],
    ),
    "person": (
        [
            "Maria Lopez", "Tom", "Ingrid Dahl", "Mr Okafor", "Li Wei", "Sarah O'Neill", "Jonas", "Mrs Petrov",
            "Ana Costa", "Kenji Mori", "Fatima", "Peter van Dijk",
        ],
        ["Nadia Haddad", "Mr Brandt", "Chen Yu", "Olu Adeyemi", "Greta", "Paolo Conti"],
    ),
    "place": (
        [
            "Bergen", "14 Hill Road", "New York", "Leeds", "Porto", "22 Rue Monge", "Bad Homburg", "Osaka", "Leipzig",
            "San Diego", "Utrecht", "7 Mill Lane",
        ],
        ["Trondheim", "3 Station Street", "Cape Town", "Graz", "Nagoya", "91 Elm Avenue"],
    ),
    "date": (
        [
            "Monday", "3 May", "yesterday", "12/04/2025", "last Friday", "June 21st", "the 9th", "Tuesday morning",
            "2025-02-11", "Christmas Eve", "two weeks ago",
        ],
        ["Sunday", "17 August", "the 30th", "30/11/2025", "last Wednesday", "October 2nd"],
    ),
}  # fmt: skip

_SLOT = re.compile(r"\{(\w+)\}")
_BEFORE = ["", "", "", "hi, ", "Hello! ", "hey there, ", "Good morning. ", "ok so "]
_AFTER = ["", "", "", ".", "!", " thanks", " Thank you!", " please help", ", it is urgent"]


def message(
    draw: random.Random, intent: str, split: str, known: Mapping[str, str] | None = None
) -> tuple[str, list[dict[str, Any]]]:
    """A text with an intent, and its entities.

    Args:
        known: values that its slots take over, by label.
    """
    left = dict(known or {})
    pattern = draw.choice(
        OUT_OF_SCOPE[split] if intent == "oos" else _own(PATTERNS[intent], split, held_out=2)
    )
    text, at = draw.choice(_BEFORE), 0
    entities: list[dict[str, Any]] = []
    for slot in _SLOT.finditer(pattern):
        text += pattern[at : slot.start()]
        label, at = slot[1], slot.end()
        value = left.pop(label, None) or _value(draw, label, split)
        entities.append({"start": len(text), "end": len(text) + len(value), "label": label})
        text += value
    text += pattern[at:]
    if text[-1].isalnum():
        text += draw.choice(_AFTER)
    if draw.random() < 0.4:
        text = text.lower()  # as many write; no letter changes its length here
    return text, entities


def _own(items: tuple[list[str], list[str]], split: str, held_out: int) -> list[str]:
    """What only this split has; `held_out` of the training's are those of validation."""
    if split == "test":
        return items[1]
    return items[0][-held_out:] if split == "validation" else items[0][:-held_out]


def _value(draw: random.Random, label: str, split: str) -> str:
    seen = split != "test"
    if label == "order":
        form = draw.choice(("#{}", "{}", "A-{}", "no. {}") if seen else ("#{}", "ORD{}", "{}"))
        return form.format(draw.randint(10_000, 9_999_999))
    if label == "amount":
        form = draw.choice(("${}", "{} euros", "£{}", "{} EUR") if seen else ("{} dollars", "€{}", "${}"))
        cents = draw.choice(("", f".{draw.randint(10, 99)}"))
        return form.format(f"{draw.randint(5, 900)}{cents}")
    return draw.choice(_own(VALUES[label], split, held_out=len(VALUES[label][0]) // 4))


def rows(split: str) -> Iterator[dict[str, object]]:
    """The rows of a split: text, entities and intent, always the same; no two of the same words."""
    draw = random.Random(split)
    seen: set[str] = set()
    while len(seen) < ROWS[split]:
        intent = "oos" if split in OUT_OF_SCOPE and draw.random() < _OTHERS else draw.choice([*PATTERNS])
        text, entities = message(draw, intent, split)
        if (words := " ".join(re.findall(r"\w+", text.lower()))) not in seen:
            seen.add(words)
            yield {"text": text, "entities": entities, "intent": intent}


def pairs(split: str) -> Iterator[dict[str, object]]:
    """Two messages, whether they want the same (`label`), and how much they have in common, 0 to 5 (`score`).

    Three points are for the same intent, and two more (of other intents one) for something that both speak of.
    """
    draw = random.Random(f"pairs {split}")
    for _ in range(PAIRS[split]):
        one, two = draw.sample([*PATTERNS], 2)
        if draw.random() < 0.5:
            two = one
        text, entities = message(draw, one, split)
        values = {str(entity["label"]): text[entity["start"] : entity["end"]] for entity in entities}
        other, others = message(draw, two, split, values if draw.random() < 0.5 else None)
        shared = {text[entity["start"] : entity["end"]].lower() for entity in entities} & {
            other[entity["start"] : entity["end"]].lower() for entity in others
        }
        yield {
            "text": text,
            "text_pair": other,
            "label": "same" if one == two else "different",
            "score": 3.0 * (one == two) + (2.0 if one == two else 1.0) * bool(shared),
        }


def files() -> Iterator[tuple[str, str]]:
    """Name and content of each file."""
    for name, made in (("messages", rows), ("pairs", pairs)):
        for split in ROWS:
            lines = [json.dumps(row, ensure_ascii=False) + "\n" for row in made(split)]
            yield f"customer_{name}.{split}.jsonl", "".join(lines)


def main() -> None:
    """Write the files."""
    FOLDER.mkdir(exist_ok=True)
    for name, content in files():
        (FOLDER / name).write_text(content, encoding="utf-8")


if __name__ == "__main__":
    main()
