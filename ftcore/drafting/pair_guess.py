"""Rows with two texts that belong together, and with a number for them."""

from __future__ import annotations

from collections.abc import Mapping

from ftcore.data.columns import Column
from ftcore.drafting.guess import MOST_LABELS, Guess, Sure, first_of
from ftcore.errors import UserError

_PAIRS = ("premise hypothesis", "sentence1 sentence2", "sentence_1 sentence_2", "question1 question2",
          "text_a text_b", "text1 text2", "sentence_a sentence_b", "text text_pair")  # fmt: skip
_NUMBER = ("score", "similarity", "relatedness", "similarity_score", "relevance")


def pair_of(lower: Mapping[str, str]) -> dict[str, str]:
    """The columns of two texts that belong together, by the field of a task; none where names do not say so."""
    names = next((two for pair in _PAIRS if (two := pair.split()) and {*two} <= lower.keys()), None)
    return {} if names is None else {"text": lower[names[0]], "text_pair": lower[names[1]]}


def guess_similarity(
    there: Mapping[str, Column], name: str, task: str | None, label: str | None
) -> Guess | None:
    """A number for two texts.

    Raises:
        UserError: that was asked for, and there are no two texts or no number.
    """
    lower = {one.lower(): one for one in there}
    pair = pair_of(lower)
    numbers = [one for one, column in there.items() if _is_number(column) and one not in pair.values()]
    named = first_of({one.lower(): one for one in numbers}, _NUMBER)
    # Whole numbers may be names of labels: entailment is often written 0, 1 and 2.
    candidates = [one for one in numbers if task is not None or one == named or is_measured(there[one])]
    chosen = label or named or (candidates[0] if len(candidates) == 1 else None)
    if pair and chosen is not None and chosen in candidates:
        columns = {**pair, "label": chosen}
        defaults = {"text": "text", "text_pair": "text_pair", "label": "score"}
        why = f"{chosen!r} is a number for each {pair['text']!r} with its {pair['text_pair']!r}"
        sure: Sure = "sure" if chosen.lower() in _NUMBER else "likely"
        return Guess("similarity", {k: v for k, v in columns.items() if defaults[k] != v}, sure, why)
    if task is None:
        return None
    raise UserError(
        f"no two columns of texts and one of numbers; the columns are {', '.join(map(repr, [*there][:20]))}",
        where=name,
        hint=f"call the texts {' and '.join(_PAIRS[-1].split())}, and name the numbers with --label",
    )


def _is_number(column: Column) -> bool:
    return 0 < column.filled == column.numbers


def is_measured(column: Column) -> bool:
    """Whether numbers are no names of labels."""
    parts = column.numbers - column.integers
    return _is_number(column) and (parts > 0.1 * column.filled or column.different > MOST_LABELS)
