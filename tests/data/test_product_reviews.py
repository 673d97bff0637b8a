"""The shipped reviews are those that their maker makes; the aspect decides what a text says."""

from __future__ import annotations

import json
import runpy
from collections import defaultdict
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_they_are_what_is_made_and_need_both_texts() -> None:
    maker = runpy.run_path(str(ROOT / "benchmarks" / "product_reviews.py"))
    texts: dict[str, set[str]] = {}
    for name, content in maker["files"]():
        found = (ROOT / "tasks" / "data" / name).read_text(encoding="utf-8")
        assert found == content, "write them with: python benchmarks/product_reviews.py"
        of_text = defaultdict(set)
        for row in map(json.loads, found.splitlines()):
            of_text[row["text"]].add(row["label"])
        several = sum(len(labels) > 1 for labels in of_text.values())
        assert several > len(of_text) / 2, "most texts have another label with another aspect"
        texts[name] = {text.lower() for text in of_text}
    train, validation, test = texts.values()
    assert not train & test
    assert not train & validation
