"""Words with their tags, a line each, an empty line between sentences: the shared tasks' form of entities."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ftcore.data.records import Record
from ftcore.errors import DataError
from ftcore_runtime.textfile import MAX_CHARACTERS, Lines, open_text

#: Of files in this form.
SUFFIXES = (".conll", ".bio", ".iob", ".iob2")
_COLUMNS = range(2, 5)
_TAG = re.compile(r"O|[BIMELSU](-.+)?")
_DOCUMENT = "-DOCSTART-"


def read_conll(path: Path, name: str, encoding: str) -> Iterator[Record]:
    """One record a sentence: `text` (the list of its words) and `entities` (their tags), from its first line on.

    A line has 2 to 4 columns between tabs, or else between blanks, as many as every other line: the word first, its tag
    last. Lines of `-DOCSTART-`, and comments (`# ...`) in front of a sentence, are left out.

    Raises:
        DataError: it cannot be read, or has a sentence that is too long to be one.
    """
    columns: int | None = None
    words: list[str] = []
    tags: list[str] = []
    first = characters = 0
    problem: tuple[int, str] | None = None

    def sentence() -> Record:
        if problem is not None:
            return Record(f"{name}:{problem[0]}", None, problem[1], problem[0])
        if (columns or 0) > 2 and len(words) > 1 and _counts(words):
            what = "the first column numbers the words: leave it out, the word comes first"
            return Record(f"{name}:{first}", None, what, first)
        return Record(f"{name}:{first}", {"text": words, "entities": tags}, "", first)

    try:
        with open_text(path, encoding) as file:
            lines = Lines(file, name, encoding)
            for line in lines:
                unfit = lines.take()[1]
                parts = _parts(line)
                between = not parts or parts[0] == _DOCUMENT
                if between or (not words and problem is None and _is_comment(parts)):
                    if words or problem:
                        yield sentence()
                        words, tags, problem, characters = [], [], None, 0
                    continue
                columns = columns or len(parts)
                first = first if words else lines.number
                words.append(parts[0])
                tags.append(parts[-1])
                if problem is None and (what := unfit or _problem(len(parts), columns)):
                    problem = lines.number, what
                characters += len(line)
                if characters > MAX_CHARACTERS:
                    what = f"a sentence of more than {MAX_CHARACTERS:,} characters"
                    raise DataError(what, where=f"{name}:{first}", hint="sentences end with an empty line")
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=name) from None
    if words or problem:
        yield sentence()


def looks_like_conll(lines: Sequence[str]) -> bool:
    """Whether the first lines of a file are words with their tags: 2 to 4 columns each, the last one a tag."""
    rows = [_parts(line) for line in lines]
    rows = [parts for parts in rows if parts and parts[0] != _DOCUMENT and not _is_comment(parts)]
    tags = [parts[-1] for parts in rows]
    return (
        all(len(parts) in _COLUMNS for parts in rows)
        and all(map(_TAG.fullmatch, tags))
        and any(tag != "O" for tag in tags)
    )


def _parts(line: str) -> list[str]:
    """The columns of a line; none of an empty one."""
    text = line.strip("\r\n")
    if not text.strip():
        return []
    return [part.strip() for part in text.split("\t")] if "\t" in text else text.split()


def _counts(words: Sequence[str]) -> bool:
    """Whether words are the numbers from 0 or 1 on."""
    return any(all(word == str(number) for number, word in enumerate(words, start)) for start in (0, 1))


def _is_comment(parts: list[str]) -> bool:
    return parts[0].startswith("#") and (len(parts) not in _COLUMNS or not _TAG.fullmatch(parts[-1]))


def _problem(count: int, columns: int) -> str:
    """What is wrong with a line of so many columns; "" for nothing."""
    if count not in _COLUMNS:
        return f"{count} column{'s' * (count != 1)}; expected 2 to 4: the word first, its tag last"
    return "" if count == columns else f"{count} columns, and the lines before it have {columns}"
