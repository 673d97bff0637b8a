"""Rows as an audit looks at them, made without a spec and a file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from ftcore.audit.texts import Texts


def audited(pairs: Sequence[tuple[str, Any]], places: Sequence[int] | None = None) -> Texts:
    """Training rows of inputs and answers; `places` are their rows in the file, from 0, in order unless given."""
    inputs, answers = [given for given, _ in pairs], [answer for _, answer in pairs]
    locations = pa.chunked_array([pa.array([f"rows:{row + 1}" for row in places or range(len(pairs))])])
    split = np.zeros(len(pairs), np.int8)
    return Texts(("train",), split, inputs, inputs, answers, None, locations, len(pairs))
