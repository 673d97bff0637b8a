"""A task and the columns that it reads, as `ftcore init` guesses them."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Sure = Literal["sure", "likely", "a guess"]
#: Different values up to which whole numbers may be names of labels.
MOST_LABELS = 300


@dataclass(frozen=True)
class Guess:
    """A task and the columns that it reads.

    Args:
        task: its id.
        columns: field of the task -> column.
        data: other fields of the section `data`.
        labels: with their rows, where rows have labels.
        sure: of the task.
        why: in words.
    """

    task: str
    columns: Mapping[str, str]
    sure: Sure
    why: str
    data: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, int] = field(default_factory=dict)


def first_of(there: Mapping[str, str], names: Collection[str]) -> str | None:
    """The column called by the first of the names that one is called by; else by a word of its own name."""
    exact = next((there[name] for name in names if name in there), None)
    words = {word: name for low, name in there.items() for word in re.split(r"[\s_.-]+", low)}
    return exact or next((words[name] for name in names if name in words), None)
