"""What of a run's metrics a bundle carries: no rows, and no tables of labels where they are long."""

from __future__ import annotations

from typing import Any

#: Labels up to which a bundle carries the table of classes.
_LABELS = 100


def for_bundle(metrics: dict[str, Any]) -> dict[str, Any]:
    """The content of metrics.json, without the tables of classes of many labels and without texts of test rows."""
    return {
        **metrics,
        "splits": {name: _for_bundle(split) for name, split in metrics.get("splits", {}).items()},
    }


def _for_bundle(split: dict[str, Any]) -> dict[str, Any]:
    left_out = ("classes", "labels") if _is_long(split) else ()
    kept = {key: value for key, value in split.items() if key not in left_out}
    if checks := kept.get("invariance"):
        kept["invariance"] = [{key: one[key] for key in one if key != "examples"} for one in checks]
    return kept


def _is_long(split: dict[str, Any]) -> bool:
    return len(split.get("labels", ())) > _LABELS
