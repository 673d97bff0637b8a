"""What of a run's metrics a bundle carries: tables that grow with the labels stay in the run where they are long."""

from __future__ import annotations

from typing import Any

#: Labels up to which a bundle carries the table of classes.
_LABELS = 100


def for_bundle(metrics: dict[str, Any]) -> dict[str, Any]:
    """The content of metrics.json, without the tables of classes of many labels."""
    splits = {
        name: {
            key: value
            for key, value in split.items()
            if not _is_long(split) or key not in ("classes", "labels")
        }
        for name, split in metrics.get("splits", {}).items()
    }
    return {**metrics, "splits": splits}


def _is_long(split: dict[str, Any]) -> bool:
    return len(split.get("labels", ())) > _LABELS
