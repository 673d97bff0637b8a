"""What a tagger has to beat: finding nothing, and finding again what the training texts named."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from ftcore_runtime.spans import EntitiesAnswer, Entity
from ftcore_runtime.words import word_ends, word_starts

_LONGEST = 12  # words of a name that is looked up


def entity_baselines(
    train: pa.Table, rows: pa.Table, *, whole_addresses: bool = False
) -> Mapping[str, Sequence[EntitiesAnswer]]:
    """Name of each baseline -> its answers to `rows`; both tables are of the family's schema."""
    names = known_names(train)
    texts = rows["text"].to_pylist()
    return {
        "finding nothing": [EntitiesAnswer([])] * len(texts),
        "looking up the training rows' entities": [
            looked_up(text, names, whole_addresses=whole_addresses) for text in texts
        ],
    }


def known_names(train: pa.Table) -> dict[str, str]:
    """Text of each training entity -> the label that it has most often; the first by name among equals."""
    counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
    columns = (train[name].to_pylist() for name in ("text", "starts", "ends", "labels"))
    for text, starts, ends, labels in zip(*columns, strict=True):
        for start, end, label in zip(starts, ends, labels, strict=True):
            counts[text[start:end]][label] += 1
    return {name: min(own, key=lambda label: (-own[label], label)) for name, own in counts.items()}


def looked_up(text: str, names: Mapping[str, str], *, whole_addresses: bool = False) -> EntitiesAnswer:
    """The names that stand in a text as whole words; of several that begin at a word the longest."""
    starts = word_starts(text, whole_addresses=whole_addresses)
    first = np.flatnonzero(starts)
    begins, ends = first.tolist(), word_ends(text, starts)[first].tolist()
    found = []
    word = 0
    while word < len(begins):
        start, longest = begins[word], min(_LONGEST, len(begins) - word)
        for length in range(longest, 0, -1):
            end = ends[word + length - 1]
            if (label := names.get(text[start:end])) is not None:
                found.append(Entity(text[start:end], label, start, end, 1.0))
                word += length - 1
                break
        word += 1
    return EntitiesAnswer(found)
