"""A commented task file for rows that were looked at: what was assumed stands next to each field."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ftcore.data.columns import Columns, look_at
from ftcore.data.sniffing import Sniffed, sniff
from ftcore.data.sources import open_source
from ftcore.drafting.base_guess import BaseGuess, guess_base
from ftcore.drafting.guess import Guess
from ftcore.drafting.task_guess import guess_task
from ftcore.errors import DataError
from ftcore.locate import PREFIX, locate
from ftcore.spec.source import Source
from ftcore_runtime.object_store import is_address

_PLAIN = re.compile(r"(?:\.{0,2}/)*[A-Za-z_\u0080-\U0010ffff](?:[\w./:-]*[\w/])?")
_RESERVED = {"true", "false", "null", "yes", "no", "on", "off", "y", "n", "nan", "inf"}
_LABELS = 12  # named in a comment
_SAMPLE = 500  # texts that a tokenizer reads
_LARGE, _VALIDATION, _TEST = 40_000, 2000, 4000
_SIBLINGS = {"validation": ("validation", "valid", "val", "dev"), "test": ("test",)}
#: Columns of a task's texts, unless the spec names others.
_INPUTS = {"qa": ("question", "context"), "translation": ("source",), "summarization": ("source",)}


#: Tasks whose texts are cut into windows that overlap, so that nothing is lost.
ANY_LENGTH = ("qa", "ner")


@dataclass(frozen=True)
class NewSpec:
    """What was found, and the task file that was made of it.

    Args:
        sniffed: how the source is written.
        columns: what it holds.
        guess: the task.
        base: the base model; None where the model is made from its configuration alone.
        splits: other files of the set, by the field that they are for.
        missing: column -> rows without a value, of the columns that a row must have.
        text: of the file.
        duplicates: rows whose text another one has.
    """

    sniffed: Sniffed
    columns: Columns
    guess: Guess
    base: BaseGuess | None
    splits: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    text: str = ""


def new_spec(
    data: str,
    folder: Path,
    *,
    task: str | None = None,
    text: str | None = None,
    label: str | None = None,
    base: str | None = None,
) -> NewSpec:
    """Look at a file or folder of rows, and write a spec for it.

    Args:
        data: a path from the working directory, an address in a store, or `package:<module>/<path>`.
        folder: where the spec will be, which its paths start from.
        task, text, label, base: what not to guess.

    Raises:
        UserError: it cannot be read, or nothing says what it is for.
    """
    stored = is_address(data)
    path = Path(data) if stored else locate(data, Path.cwd())
    if path.is_dir() and (train := _train_file(path)) is not None:
        path, data = train, f"{data.rstrip('/')}/{train.name}"
    ref = data if stored or data.startswith(PREFIX) else _relative(path, folder)
    sniffed = Sniffed("Parquet") if stored else sniff(path, data)
    columns = _look_at(data, sniffed)
    if not columns.named and columns.problem is not None:
        raise DataError(columns.problem[1], where=columns.problem[0], hint="fix the rows of this source")
    guess = guess_task(columns, data, task, text, label)
    if "header" in sniffed.options and guess.sure == "sure":  # the names are ours
        guess = replace(guess, sure="likely")
    fields = {**{name: name for name in _needed(guess)}, **guess.columns}
    needed = {fields[name] for name in _needed(guess)}
    inputs = [fields.get(name, name) for name in _INPUTS.get(guess.task, ("text", "text_pair"))]
    there = [columns.named[name] for name in inputs if name in columns.named]
    texts = [
        " ".join(map(_joined, row)) for row in zip(*(one.sample[:_SAMPLE] for one in there), strict=False)
    ]
    found = (
        None
        if guess.task in ("translation", "summarization") and base is None
        else guess_base(texts, base, folder)
    )
    splits = {} if stored or path.is_dir() else _splits(path)
    missing = Counter[str]()
    others = (data[: len(data) - len(path.name)] + file.name for file in splits.values())
    for looked_at in (columns, *(_look_at(other, sniffed) for other in others)):
        missing.update(_missing(looked_at, needed))
    duplicates = there[0].filled - there[0].different if len(there) == 1 else 0
    named = {name: ref[: len(ref) - len(path.name)] + file.name for name, file in splits.items()}
    made = NewSpec(sniffed, columns, guess, found, named, missing, duplicates)
    return NewSpec(**{**vars(made), "text": "\n".join(_lines(made, ref)) + "\n"})


def _joined(value: Any) -> str:  # noqa: ANN401 (a text, or the list of its words)
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


def _needed(guess: Guess) -> tuple[str, ...]:
    if guess.task in ("translation", "summarization"):
        return "source", "target"
    if guess.task == "ner":
        return ("text",)
    return ("question", "context") if guess.task == "qa" else ("text", "label")


def _look_at(data: str, sniffed: Sniffed) -> Columns:
    source = Source.model_validate(sniffed.source(data))
    return look_at(open_source(source, "train", Path.cwd()).records())


def _missing(columns: Columns, needed: Collection[str]) -> dict[str, int]:
    """Column -> rows that could be read and have no value there."""
    rows = columns.rows - columns.bad
    return {
        name: rows - one.filled for name, one in columns.named.items() if name in needed and one.filled < rows
    }


def _relative(path: Path, folder: Path) -> str:
    found = os.path.relpath(path.resolve(), folder.resolve())
    return found if not found.startswith(f"..{os.sep}..") else str(path.resolve())


def _train_file(folder: Path) -> Path | None:
    """The file called train of a folder that has one."""
    found = sorted(path for path in folder.glob("train.*") if path.suffix != ".yaml" and path.is_file())
    english = [path for path in found if path.suffix == ".en"]  # of parallel files, the source
    return next(iter(english or found), None)


def _splits(path: Path) -> dict[str, Path]:
    """Files next to one that is called train, for the other splits."""
    stem, dot, rest = path.name.partition(".")
    if stem.lower() != "train":
        return {}
    return {
        name: file
        for name, stems in _SIBLINGS.items()
        for other in stems[::-1]
        if (file := path.with_name(other + dot + rest)).is_file()
    }


def _lines(spec: NewSpec, ref: str) -> Iterator[str]:
    guess, columns, script = spec.guess, spec.columns, _script(spec)
    rows = f"{columns.rows:,} rows" if columns.whole else f"more than {columns.rows:,} rows"
    yield f"# {rows} of {_comment(ref)}: {_comment(spec.sniffed.says)}."
    yield "# Written by `ftcore init`; every line may be changed."
    yield f"# The task ({guess.sure}): {_comment(guess.why)}."
    yield f"task: {guess.task}"
    yield ""
    yield "data:"
    for name, path in {"train": ref, **spec.splits}.items():
        options = spec.sniffed.source(path)
        written = ", ".join(f"{key}: {_yaml(value)}" for key, value in options.items())
        yield f"  {name}: {_yaml(path) if len(options) == 1 else f'{{{written}}}'}"
    if guess.columns:
        yield f"  columns: {{{', '.join(f'{key}: {_yaml(name)}' for key, name in guess.columns.items())}}}"
    for key, value in guess.data.items():
        comment = "  # from most negative to most positive" if key == "labels" else ""
        yield f"  {key}: {_yaml(value)}{comment}"
    if guess.labels and "labels" not in guess.data:
        yield f"  # {len(guess.labels):,} labels: {_comment(labels_and_rows(guess.labels))}"
    if spec.missing:
        yield "  where:  # rows without these are left out"
        for name, number in spec.missing.items():
            yield f"    - {{column: {_yaml(name)}, present: true}}  # {number:,} rows have none"
    if len(spec.splits) < 2:
        large = columns.rows > _LARGE
        shares = {
            name: size
            for name, size in (("validation", _VALIDATION), ("test", _TEST))
            if name not in spec.splits
        }
        sizes = ", ".join(f"{name}: {size if large else 0.1}" for name, size in shares.items())
        yield f"  split: {{{sizes}}}  # {'rows' if large else 'shares'} held out of `train`; equal texts stay together"
    yield ""
    yield "model:"
    if spec.base is None:
        yield "  # From scratch: no model that writes is at hand. For one that is, name it in `base`, without `init`."
        yield "  init: config"
        yield "  base: marian-small"
        yield "  vocabulary: {size: 4000}"
    else:
        yield f"  base: {_yaml(spec.base.ref)}  # {_comment(spec.base.why)}"
        if spec.base.warning:
            yield f"  # {_comment(spec.base.warning)}"
        if guess.task not in ANY_LENGTH:
            yield f"  max_length: {spec.base.max_length}  # tokens; nearly no text is longer"
    yield from _settings(spec, script)
    yield ""
    yield "export:"
    yield "  variants: [fp32, int8]"


def _settings(spec: NewSpec, script: str | None) -> Iterator[str]:
    """How it is trained and measured."""
    cjk = script in ("Chinese", "Japanese")
    yield ""
    if spec.guess.task in ("translation", "summarization"):
        epochs = max(3, min(40, 100_000 // max(1, spec.columns.rows)))
        yield f"training: {{epochs: {epochs}, learning_rate: 1.0e-3}}"
        if cjk:
            yield f"\nevaluation: {{tokenization: {'zh' if script == 'Chinese' else 'char'}}}"
    else:
        if spec.guess.task == "qa" and cjk:
            yield "evaluation: {normalisation: characters}\n"
        yield "# training: {epochs: 3, learning_rate: 5.0e-5}  # chosen by the rows and the base model unless given"


def _script(spec: NewSpec) -> str | None:
    """Of what is compared: the targets, or the contexts."""
    name = {"qa": "context"}.get(spec.guess.task, spec.guess.columns.get("target", "target"))
    column = spec.columns.named.get(name)
    return column.script if column is not None else None


def labels_and_rows(labels: Mapping[str, int]) -> str:
    """The first labels with their rows, in one line."""
    named = ", ".join(f"{label} {rows:,}" for label, rows in [*labels.items()][:_LABELS])
    return named + (", ..." if len(labels) > _LABELS else "")


def _comment(text: str) -> str:
    """A text of the rows' in one line of a comment."""
    return "".join(character if character.isprintable() else "?" for character in text)


def _yaml(value: Any) -> str:  # noqa: ANN401 (a text, a number)
    """A scalar, or a list of some, as YAML has it: texts bare where they mean nothing else."""
    if isinstance(value, list):
        return f"[{', '.join(map(_yaml, value))}]"
    if not isinstance(value, str):
        return json.dumps(value)
    if _PLAIN.fullmatch(value) and value.lower() not in _RESERVED and value.isprintable():
        return value
    return json.dumps(value, ensure_ascii=not value.isprintable())
