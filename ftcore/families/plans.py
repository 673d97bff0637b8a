"""What families say of the rows that will be trained on."""

from __future__ import annotations

from typing import Any

import numpy as np

from ftcore.families.model import Stored


def length_plan(rows: int, features: Stored, cut: int, max_length: int) -> dict[str, Any]:
    """The part of a plan that every text has: how many tokens, and how many rows are cut.

    Args:
        cut: rows whose text does not fit into `max_length` tokens.
    """
    middle, most = np.percentile(features.lengths, [50, 95]) if len(features.lengths) else (0, 0)
    return {
        "rows": rows,
        "tokens": int(features.lengths.sum()),
        "median tokens": int(middle),
        "95th percentile": int(most),
        "longest": int(features.lengths.max(initial=0)),
        f"cut at {max_length}": cut,
    }


def window_plan(rows: int, features: Stored) -> dict[str, Any]:
    """The part of a plan that texts in windows have.

    Args:
        rows: texts.
    """
    each = np.bincount(features.row, minlength=rows)
    return {"windows": len(features.row), "most windows of a text": int(each.max(initial=0))}
