"""The last lines of every benchmark: one JSON object a target."""

from __future__ import annotations

import json


def print_target(name: str, value: float, bar: float, *, at_most: bool = False) -> bool:
    """Print whether a figure reaches its bar, from below or, with `at_most`, from above; and return it."""
    ok = bool(value <= bar if at_most else value >= bar)
    print(json.dumps({"target": name, "value": round(float(value), 4), "bar": round(bar, 4), "ok": ok}))
    return ok
