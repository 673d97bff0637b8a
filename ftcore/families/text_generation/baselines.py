"""What a model that writes has to beat: the input itself, and the answer to the most similar training row."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median

import pyarrow as pa

from ftcore.families.baselines import most_similar
from ftcore_runtime.answers import TextAnswer

#: Times the length of an answer from which an input is no other form of it, but holds it: an article and its headline.
_LONGER = 5
_SOME = 0.1  # of the answers, beyond which it is no chance that they are empty, or the same
_SHOWN = 60  # characters of an answer


def text_baselines(train: pa.Table, rows: pa.Table) -> Mapping[str, Sequence[TextAnswer]]:
    """Answers to `rows` (columns `source` and `target`) by copying, from the input or from a row of `train`."""
    sources, targets, asked = (
        table[name].to_pylist() for table, name in ((train, "source"), (train, "target"), (rows, "source"))
    )
    if not sources:
        return {}
    length = int(median(map(len, targets)))
    name, copied = "giving the input back", asked
    if median(map(len, sources)) >= _LONGER * length:
        name, copied = "giving the beginning of the input", [_beginning(text, length) for text in asked]
    answers = {
        name: copied,
        "the answer to the most similar training row": most_similar(sources, targets, asked),
    }
    return {name: [TextAnswer(text) for text in texts] for name, texts in answers.items()}


def _beginning(text: str, length: int) -> str:
    """About so many characters, to the end of a word where there is one."""
    end = text.find(" ", length)
    return text[: end if 0 <= end < 2 * length else length]


def text_warnings(references: Sequence[str], answers: Sequence[TextAnswer]) -> list[str]:
    """A sentence for each thing that is plainly wrong with written answers: they are empty, or one and the same."""
    if not answers:
        return []
    found = []
    empty = sum(not answer.text for answer in answers)
    if empty > _SOME * len(answers):
        found.append(f"{empty:,} of {len(answers):,} answers are empty")
    (text, count), (_, wanted) = (
        Counter(texts).most_common(1)[0] for texts in ((one.text for one in answers), references)
    )
    if text and count > _SOME * len(answers) and count > 2 * wanted:
        shown = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
        rows = "every row gets" if count == len(answers) else f"{count:,} of {len(answers):,} rows get"
        found.append(f"{rows} the same answer, {shown!r}")
    return found
