"""Generated texts with their sources and references, a few of each split, for people to read in the report."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from ftcore_runtime.answers import TextAnswer

_ROWS = 5
_LENGTH = 240  # characters of a text


def samples_of(rows: pa.Table, answers: Sequence[TextAnswer]) -> list[dict[str, str]]:
    """`source`, `reference` and `prediction` of rows from all over the split, each on one line."""
    indices = np.linspace(0, rows.num_rows - 1, min(_ROWS, rows.num_rows)).astype(np.int64)
    return [
        {
            "source": _brief(row["source"]),
            "reference": _brief(row["target"]),
            "prediction": _brief(answers[index].text),
        }
        for index, row in zip(indices, rows.take(indices).to_pylist(), strict=True)
    ]


def _brief(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LENGTH else f"{line[:_LENGTH]}…"
