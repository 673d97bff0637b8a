"""Which task a file of rows is for, by the names of its columns and what they hold; and how sure that is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from ftcore.data.columns import Column, Columns
from ftcore.drafting.guess import MOST_LABELS, Guess, Sure, first_of
from ftcore.drafting.pair_guess import guess_similarity, is_measured, pair_of
from ftcore.errors import DataError, UserError
from ftcore.spec.diagnostics import short
from ftcore_runtime.records import require_columns

_TEXT = (
    "text", "sentence", "content", "review", "comment", "tweet", "message", "body", "utterance", "document", "post",
    "question", "query", "title", "description", "input", "文本", "内容", "评论", "句子",
)  # fmt: skip
_LABEL = (
    "label", "labels", "category", "categories", "class", "classes", "target", "sentiment", "intent", "topic", "topics",
    "emotion", "tag", "tags", "genre", "genres", "polarity", "rating", "stars", "output", "标签", "类别", "情感",
    "分类",
)  # fmt: skip
_SUMMARY = ("summary", "highlights", "headline", "tldr", "abstract", "摘要")
_SOURCE = ("source", "src", "input", "document", "article", "dialogue", "text", "original")
_TARGET = ("target", "tgt", "output", "translation", "reference")
_LANGUAGE = re.compile(r"(?:[a-z]{2,3}|[a-z]{2}[-_][A-Za-z]{2,4})", re.ASCII)
#: From most negative to most positive.
_SCALES = (
    ("negative", "positive"),
    ("negative", "neutral", "positive"),
    ("neg", "pos"),
    ("neg", "neu", "pos"),
    ("neg", "neutral", "pos"),
    ("bad", "good"),
    ("very negative", "negative", "neutral", "positive", "very positive"),
    ("very_negative", "negative", "neutral", "positive", "very_positive"),
    ("差评", "好评"),
    ("差评", "中评", "好评"),
    ("负面", "正面"),
    ("负面", "中性", "正面"),
    ("消极", "积极"),
)
_TAGS = ("ner_tags", "tags", "labels", "entities")
_WORDS_OF_A_TEXT = ("tokens", "words", "text")
_OF_A_SCALE = ("sentiment", "polarity", "rating", "stars", "score", "情感")
_SEPARATORS = "|;,"


def guess_task(
    columns: Columns, name: str, task: str | None = None, text: str | None = None, label: str | None = None
) -> Guess:
    """The likeliest task.

    Args:
        name: of the source, for messages.
        task, text, label: what was said: the task's id, and the columns of the text and of what is to be answered.

    Raises:
        UserError: a column is not there, or nothing fits.
    """
    there = columns.named
    options = {one: option for one, option in ((text, "--text"), (label, "--label")) if one is not None}
    require_columns([*there], name, {one: f"name a column with {option}" for one, option in options.items()})
    if task == "qa" or (task is None and not options):
        if found := _question(there):
            return found
        if task == "qa":
            require_columns(
                [*there], name, dict.fromkeys(("question", "context", "answers"), "rename the columns")
            )
    if task == "ner" or (task is None and not options):
        if found := _entities(there):
            return found
        if task == "ner":
            require_columns([*there], name, dict.fromkeys(("text", "entities"), "rename the columns"))
    named = any(name.lower() in _LABEL and _is_label(column) for name, column in there.items())
    if task in ("translation", "summarization") or (task is None and label is None and not named):
        found = _texts(there, task, text, label)
        if found is not None:
            return found
    if task in ("translation", "summarization"):
        raise DataError(
            f"no two columns of texts to read and to write; the columns are {', '.join(map(repr, there))}",
            where=name,
            hint="name them with --text and --label",
        )
    if task == "similarity" or (task is None and text is None):
        found = guess_similarity(there, name, task, label)
        if found is not None:
            return found
    return _labelled(there, name, task, text, label)


def _question(there: Mapping[str, Column]) -> Guess | None:
    answers = next((one for one in ("answers", "answer", "answer_text") if one in there), None)
    if answers is None or not {"question", "context"} <= there.keys():
        return None
    columns = {} if answers == "answers" else {"answers": answers}
    if (start := next((one for one in ("answer_start", "start") if one in there), None)) is not None:
        columns["start"] = start
    return Guess("qa", columns, "sure", f"it has the columns question, context and {answers}")


def _entities(there: Mapping[str, Column]) -> Guess | None:
    """Spans of a text, or the words of a text and a tag of each."""
    if "text" in there and "entities" in there and there["entities"].lists:
        return Guess("ner", {}, "sure", "it has the columns text and entities")
    tags = next((name for name in _TAGS if name in there and there[name].lists), None)
    words = next((name for name in _WORDS_OF_A_TEXT if name in there and there[name].lists), None)
    if (
        tags is None
        or words is None
        or not all(isinstance(one, str) for row in there[tags].sample for one in row)
    ):
        return None
    return Guess("ner", {"text": words, "entities": tags}, "sure", f"it has the columns {words} and {tags}")


def _texts(
    there: Mapping[str, Column], task: str | None, text: str | None, label: str | None
) -> Guess | None:
    """A text for a text."""
    names = [name for name, column in there.items() if _is_text(column)]
    lower = {name.lower(): name for name in there}
    answer = label or first_of(lower, (*_SUMMARY, *_TARGET))
    asked = text or first_of({low: name for low, name in lower.items() if name != answer}, _SOURCE)
    if answer is None and len(names) == 2 and all(_LANGUAGE.fullmatch(name) for name in names):
        asked, answer = names
    known = answer is not None and asked is not None and answer != asked
    if not known and (task is None or len(names) < 2):
        return None
    sure: Sure = "likely" if known else "a guess"
    source = asked if known and asked else text or next(name for name in names if name != label)
    target = answer if known and answer else label or next(name for name in names if name != source)
    if task is None and not (_is_text(there[source]) and _is_text(there[target])):
        return None
    first, second = there[source], there[target]
    ratio = second.mean_words / max(1.0, first.mean_words)
    other = first.script != second.script
    if task is None and target.lower() not in _SUMMARY and _few_values(second):
        return None
    shorter = target.lower() in _SUMMARY or (ratio < 0.4 and not other)
    kind = task or ("summarization" if shorter else "translation")
    if task is not None or other or target.lower() in _SUMMARY:
        sure = "sure" if sure == "likely" else sure
    columns = {field: name for field, name in (("source", source), ("target", target)) if field != name}
    why = f"{target!r} is a text for each {source!r}, {ratio:.1f} times as long"
    return Guess(kind, columns, sure, why)


def _labelled(
    there: Mapping[str, Column], name: str, task: str | None, text: str | None, label: str | None
) -> Guess:
    """Labels for a text."""
    lower = {one.lower(): one for one in there}
    pair = pair_of(lower)
    named = label or first_of({low: one for low, one in lower.items() if _is_label(there[one])}, _LABEL)
    chosen = named or next((one for one in reversed([*there]) if one != text and _is_label(there[one])), None)
    by_name: list[str | None] = [named]
    fields: dict[str, str] = {}
    if pair and text is None and pair["text"] != chosen:
        fields = pair
        by_name.append(pair["text"])
    else:
        texts = {low: one for low, one in lower.items() if one != chosen and _is_text(there[one], words=1)}
        known = text or first_of(texts, _TEXT)
        found = known or max(texts.values(), key=lambda one: there[one].mean_characters, default=None)
        by_name.append(known)
        if found is not None:
            fields = {"text": found}
    if chosen is None:
        for column in there.values():
            _require_no_number(column, name)
    if chosen is None or not fields:
        what = "no column looks like a label" if fields else "no column looks like a text"
        columns = ", ".join(repr(short(one)) for one in [*there][:20])
        hint = "name the columns with --text and --label; --task says for what"
        raise UserError(f"{what}; the columns are {columns}", where=name, hint=hint)
    column, text_name = there[chosen], fields["text"]
    fields["label"] = chosen
    several = _several(column)
    if several is None and task is None:
        _require_no_number(column, name)
    labels = several[1] if several is not None else dict(column.counts)
    data: dict[str, Any] = {}
    if several is not None:
        data["problem"] = "multi_label"
        if several[0] not in ("", "|"):
            data["label_separator"] = several[0]
    scale = None if several is not None else _scale(labels, chosen)
    alone = "pair" if "text_pair" in fields and several is None else "classification"
    kind = task or ("sentiment" if scale is not None else alone)
    by_name[0] = by_name[0] or (chosen if scale is not None else None)  # the labels say what they are
    if kind == "sentiment":
        data["labels"] = [*(scale or sorted(labels))]
    sure: Sure = "sure" if all(by_name) else "likely" if any(by_name) else "a guess"
    number = "several of" if several is not None else "one of"
    why = f"{chosen!r} has {number} {len(labels):,} labels for each {text_name!r}"
    columns_ = {
        one: column_name
        for one, column_name in fields.items()
        if one != column_name or (one == "text_pair" and kind != "pair")
    }
    return Guess(kind, columns_, sure, why, data, labels)


def _is_text(column: Column, words: float = 2) -> bool:
    mostly = column.filled and column.texts >= 0.9 * column.filled and column.numbers < 0.5 * column.filled
    return bool(mostly) and column.mean_words >= words and column.different > min(20, 0.1 * column.filled)


def _few_values(column: Column) -> bool:
    return column.different <= max(20, 0.05 * column.filled)


def _is_label(column: Column) -> bool:
    if column.lists:
        return True
    known = sum(column.counts.values()) >= 0.95 * column.filled
    return (
        column.filled > 0 and known and 2 <= column.different <= max(2, min(column.filled / 2, MOST_LABELS))
    )


def _several(column: Column) -> tuple[str, dict[str, int]] | None:
    """Separator ("" of lists) and labels of a column that has several a row; None where it has one."""
    if column.lists or (sampled := [v for v in column.sample if isinstance(v, str) and v.strip()[:1] == "["]):
        if not column.lists and len(sampled) < 0.9 * len(column.sample):
            return None
        counts: Counter[str] = Counter()
        for value in column.sample:
            counts.update(_items(value))
        return "", dict(counts)
    for mark in _SEPARATORS:
        joined = sum(rows for value, rows in column.counts.items() if mark in value)
        parts = Counter(part.strip() for value in column.counts for part in value.split(mark))
        if joined > 0.05 * column.filled and len(parts) < len(column.counts) and max(map(len, parts)) <= 40:
            rows: Counter[str] = Counter()
            for value, number in column.counts.items():
                rows.update(dict.fromkeys((part.strip() for part in value.split(mark)), number))
            return mark, dict(rows)
    return None


def _items(value: Any) -> list[str]:  # noqa: ANN401 (a cell)
    """The labels of a list, of a mapping to 0 and 1, or of a text that looks like a list."""
    if isinstance(value, dict):
        return [str(name) for name, held in value.items() if held]
    if isinstance(value, list):
        return [str(item) for item in value]
    return re.findall(r"[^\[\],'\"\s][^\[\],'\"]*", str(value))


def _scale(labels: Mapping[str, int], column: str) -> Sequence[str] | None:
    """The labels in their order, where they are a scale."""
    lower = {label.lower(): label for label in labels}
    for scale in _SCALES:
        if lower.keys() == {*scale}:
            return [lower[one] for one in scale]
    if (
        column.lower() in _OF_A_SCALE
        and len(labels) in (2, 3, 5)
        and all(re.fullmatch(r"-?\d", one) for one in labels)
    ):
        return sorted(labels, key=int)
    return None


def _require_no_number(column: Column, name: str) -> None:
    """Refuse numbers that are no names: no task here answers one text with a number.

    Raises:
        UserError: with what to do.
    """
    if is_measured(column):
        raise UserError(
            f"the column {column.name!r} holds numbers ({column.different:,} different ones), which would be a"
            " regression; of the installed tasks `similarity` answers with a number, and it reads two texts",
            where=name,
            hint="name a column of labels with --label; a task for numbers is a plugin of a few lines"
            " (docs/reference/plugins.md) whose spec has `data.problem: regression`",
        )
