"""Labels: how many rows each has, which have few, which are one written in two ways, and which are no labels."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from ftcore.audit.findings import Finding, counted
from ftcore.data import Splits
from ftcore.data.tables import Split
from ftcore.families.reader import Reader, SupportsLabelCounts, labels_in
from ftcore.families.spelling import is_number, means_nothing, mixes_alphabets, spelled, variants

#: Training rows below which a label is rare: fewer teach little, and measure nothing.
RARE = 10
_MOST = 0.8  # share of the rows from which one label drowns the others
_SHOWN = 8  # labels named in a sentence
_MANY = 20  # numbers of a scale are fewer
_JOINS = "|,;/+&"  # what stands between labels
_CHUNK = 65_536  # rows that are in memory at a time


def label_table(splits: Splits, reader: Reader[Any, Any]) -> dict[str, dict[str, int]]:
    """Label -> split -> all its rows, the most frequent label of the training rows first; empty without labels."""
    if not isinstance(splits.fitted, SupportsLabelCounts) or not splits.fitted.label_counts:
        return {}
    counts = {split.name: _counts(split, reader) for split in splits}
    names = {label for count in counts.values() for label in count}
    ranked = sorted(names, key=lambda label: (-counts["train"][label], label))
    return {label: {name: count[label] for name, count in counts.items()} for label in ranked}


def _counts(split: Split, reader: Reader[Any, Any]) -> Counter[str]:
    found: Counter[str] = Counter()
    for start in range(0, split.table.num_rows, _CHUNK):
        for answer in reader.references(split.table.slice(start, _CHUNK)):
            found.update({str(label) for label in labels_in(answer)})
    return found


def label_findings(table: Mapping[str, Mapping[str, int]], rows: Mapping[str, int]) -> Iterator[Finding]:
    """What is wrong with the labels.

    Args:
        table: as `label_table` makes it.
        rows: split -> rows.
    """
    yield from _balance(table, rows)
    train = {label: splits["train"] for label, splits in table.items()}
    if rare := [f"{label!r} {count}" for label, count in train.items() if count < RARE]:
        what = f"{counted(len(rare), 'label')} with fewer than {RARE} training rows: {_first(rare)}"
        hint = "give them more rows, join them with another label, or leave them out with `data.where`"
        yield Finding("rare labels", "warning", what, len(rare), hint)
    for name in [name for name in rows if name != "train"]:
        if absent := [f"{label!r}" for label, splits in table.items() if not splits[name]]:
            what = f"{counted(len(absent), 'label')} without a row in {name}, where nothing can be measured of them:"
            yield Finding("absent labels", "note", f"{what} {_first(absent)}", len(absent))
    if written := [" = ".join(map(ascii, names)) for names in variants(table)]:
        what = f"{counted(len(written), 'label')} written in several ways: {_first(written)}"
        hint = "write each in one way: rows of the others teach another label"
        yield Finding("label variants", "warning", what, len(written), hint)
    if mixed := [ascii(label) for label in table if mixes_alphabets(label)]:
        what = f"{counted(len(mixed), 'label')} with letters of two alphabets in a word: {_first(mixed)}"
        hint = "write it in one: what looks alike is another label"
        yield Finding("label variants", "warning", what, len(mixed), hint)
    if sum(train.values()) <= rows["train"]:  # or a row has several labels, and they are labels
        yield from _kinds(table)
    if nothing := [f"{label!r} {train[label]}" for label in table if means_nothing(label)]:
        what = (
            f"{counted(len(nothing), 'label')} that programs write where there is no value: {_first(nothing)}"
        )
        hint = "leave these rows out with `data.where`, or label them"
        yield Finding("missing labels", "warning", what, len(nothing), hint)


def _balance(table: Mapping[str, Mapping[str, int]], rows: Mapping[str, int]) -> Iterator[Finding]:
    for label, splits in table.items():
        share = splits["train"] / max(1, rows["train"])
        if share > _MOST:
            what = f"{share:.1%} of the training rows have the label {label!r}"
            hint = "look at macro F1, and think of `training.class_weights`"
            yield Finding("label balance", "warning", what, splits["train"], hint)


def _kinds(table: Mapping[str, Any]) -> Iterator[Finding]:
    """Labels that are another kind of answer: numbers that were measured, or several labels in one."""
    numbers = len(table) > _MANY and all(map(is_number, table))
    if numbers and any("." in spelled(label) for label in table):
        what = f"all {len(table):,} labels are numbers, some with a fraction, and each is a class of its own"
        hint = (
            "a task whose spec has `data.problem: regression` learns numbers: a plugin of a few lines"
            " (docs/reference/plugins.md)"
        )
        yield Finding("label kinds", "warning", what, len(table), hint)
        return
    for mark in _JOINS:
        if joined := [f"{label!r}" for label in table if not table.keys().isdisjoint(_parts(label, mark))]:
            what = f"{counted(len(joined), 'label')} made of another and more, by {mark!r}: {_first(joined)}"
            hint = f"if a row has several labels, say `data.problem: multi_label`, `data.label_separator: {mark!r}`"
            yield Finding("label kinds", "note", what, len(joined), hint)


def _parts(label: str, mark: str) -> list[str]:
    """What a label is made of; nothing where it is of one piece."""
    parts = [part.strip() for part in label.split(mark)]
    return parts if len(parts) > 1 and all(parts) else []


def _first(names: list[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
