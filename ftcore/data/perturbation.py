"""Other texts for the same answer: typing errors, case, punctuation, words that change places. The same each time."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa

from ftcore.errors import UserError
from ftcore.locate import locate
from ftcore.spec.invariance import InvarianceSpec
from ftcore_runtime.tables import FORMATS, TableOptions, read_table

Perturb = Callable[[str], str]

#: Pairs of words that are searched for at once.
MOST_PAIRS = 1000
_LETTERS = 50  # of which two change places
_MARKS = ".!?…。！？"
_IDEOGRAPHS = "\u2e80"  # from here on words have no blanks between them


def typos(text: str) -> str:
    """Two neighbouring letters change places, once in fifty letters and at least once; not a word's first one."""
    letters = list(text)
    inner = [
        index
        for index in range(1, len(letters) - 1)
        if all(one.isalpha() for one in letters[index - 1 : index + 2])
        and letters[index] != letters[index + 1]
    ]
    draw = random.Random(text)
    draw.shuffle(inner)
    left = max(1, sum(map(str.isalpha, letters)) // _LETTERS)
    taken: set[int] = set()
    for index in inner:
        if left and not taken & {index, index + 1}:
            letters[index], letters[index + 1] = letters[index + 1], letters[index]
            taken |= {index, index + 1}
            left -= 1
    return "".join(letters)


def case(text: str) -> str:
    """All small letters, or all capitals where they are small already."""
    small = text.lower()
    return text.upper() if small == text else small


def punctuation(text: str) -> str:
    """Without the marks at the end, or with a full stop where there is none."""
    bare = text.rstrip()
    return (bare.rstrip(_MARKS) or text) if bare.endswith(tuple(_MARKS)) else f"{bare}."


_NAMED: dict[str, Perturb] = {"typos": typos, "case": case, "punctuation": punctuation}


def swapped(pairs: Sequence[Sequence[str]]) -> Perturb:
    """What puts the one word of a pair in the place of the other, both ways; the first pair of a word counts."""
    other: dict[str, str] = {}
    for one, two in pairs:
        other.setdefault(one, two)
        other.setdefault(two, one)
    ranked = sorted(other, key=len, reverse=True)  # of words that begin alike the longest
    search = re.compile("|".join(map(_as_word, ranked)))
    return lambda text: search.sub(lambda found: other[found[0]], text)


def perturbation(check: InvarianceSpec, base_dir: Path) -> Perturb:
    """The change of texts that a check means.

    Args:
        base_dir: the folder that the path of its pairs is relative to.

    Raises:
        UserError: the file of its pairs cannot be read, or has none or too many.
    """
    if check.perturbation is not None:
        return _NAMED[check.perturbation]
    assert check.pairs is not None
    pairs = _read_pairs(check.pairs, base_dir) if isinstance(check.pairs, str) else check.pairs
    if not 0 < len(pairs) <= MOST_PAIRS:
        what = f"there are {len(pairs):,} pairs; from 1 to {MOST_PAIRS:,} can be checked"
        raise UserError(what, where=f"checks.invariance: {check.title}")
    return swapped(pairs)


def changes_of(checks: Sequence[InvarianceSpec], base_dir: Path) -> dict[str, tuple[Perturb, float]]:
    """Name of each check -> its change of texts, and the share of answers that has to stay.

    Raises:
        UserError: see `perturbation`.
    """
    return {check.title: (perturbation(check, base_dir), check.at_least) for check in checks}


def perturbed(rows: pa.Table, fields: Sequence[str], change: Perturb) -> tuple[pa.Table, pa.ChunkedArray]:
    """The rows with other texts in these fields, and which of them (bool [rows]) are not as they were.

    Args:
        fields: names of columns of strings, which may be null.
    """
    differs = [False] * rows.num_rows
    for name in fields:
        given = rows[name].to_pylist()
        made = [text if text is None else change(text) for text in given]
        # A text that would be empty stays: nothing is asked of a model by it.
        made = [new if new and new.strip() else text for text, new in zip(given, made, strict=True)]
        differs = [before or new != text for before, text, new in zip(differs, given, made, strict=True)]
        index = rows.schema.get_field_index(name)
        field = rows.schema.field(name)
        rows = rows.set_column(index, field, pa.array(made, field.type))
    return rows, pa.chunked_array([differs], pa.bool_())


def _as_word(word: str) -> str:
    """What finds a word, and not a part of another one."""
    before = r"(?<!\w)" if word[0].isalnum() and word[0] < _IDEOGRAPHS else ""
    after = r"(?!\w)" if word[-1].isalnum() and word[-1] < _IDEOGRAPHS else ""
    return f"{before}{re.escape(word)}{after}"


def _read_pairs(path: str, base_dir: Path) -> list[list[str]]:
    file = locate(path, base_dir)
    form = FORMATS.get(file.suffix.lower())
    if form not in ("csv", "tsv", "jsonl"):
        raise UserError(
            "is no table of pairs", where=path, hint="a .csv, .tsv or .jsonl with `from` and `to`"
        )
    needed = dict.fromkeys(("from", "to"), "name the columns `from` and `to`")
    pairs = []
    for record in read_table(file, path, form, TableOptions(needed=needed)):
        if record.problem or record.values is None:
            raise UserError(record.problem or "no row", where=record.location)
        pair = [record.values.get("from"), record.values.get("to")]
        if not all(isinstance(word, str) and word.strip() for word in pair):
            raise UserError("expected a text in `from` and in `to`", where=record.location)
        pairs.append([str(word) for word in pair])
        if len(pairs) > MOST_PAIRS:
            break
    return pairs
