"""The shipped rows of customers' messages are those that their maker makes, and no split has another's values."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_they_are_what_is_made() -> None:
    maker = runpy.run_path(str(ROOT / "benchmarks" / "customer_messages.py"))
    values: dict[str, set[str]] = {}
    for name, content in maker["files"]():
        found = (ROOT / "tasks" / "data" / name).read_text(encoding="utf-8")
        assert found == content, "write them with: python benchmarks/customer_messages.py"
        rows = [json.loads(line) for line in found.splitlines()]
        values[name.split(".")[1]] = values.get(name.split(".")[1], set()) | {
            row["text"][one["start"] : one["end"]].lower()
            for row in rows
            for one in row.get("entities", ())
            if one["label"] not in ("order", "amount")
        }
    assert len(values["train"]) > 30
    assert not values["train"] & values["test"]
    assert not values["train"] & values["validation"]
