"""From a source's records to parsed rows on disk: plugin hook, `where`, `parse`; bad rows by their location."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from ftcore.data.encodings import guess_encoding
from ftcore.data.records import Record
from ftcore.data.sources import Opened
from ftcore.data.tables import RowWriter
from ftcore.data.textfile import is_encoded
from ftcore.errors import REMARK, DataError, PluginError, RowDropped, RowError
from ftcore.families.reader import Reader
from ftcore.spec.sections import Condition, Spec
from ftcore_runtime.records import require_columns
from ftcore_runtime.terminal import printable
from ftcore_runtime.textfile import codec_of

_SHOWN = 10  # bad rows named in one error
_COLUMNS = 256  # column names remembered of a source without a header


class PrepareRow(Protocol):
    """The hook `ftcore_prepare_row` of the task's plugin."""

    def __call__(self, *, spec: Spec, row: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The row to learn from, None for the row as it is; `ValueError` refuses it."""


@dataclass(frozen=True)
class Counts:
    """Rows of one source.

    Args:
        read: rows in it.
        kept: rows after `where` and without those dropped.
        fixed: kept rows that the family fixed.
        dropped: rows that the family left out.
        remarks: of the first few fixed or dropped rows, their location and what was done.
    """

    read: int
    kept: int
    fixed: int = 0
    dropped: int = 0
    remarks: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Hints:
    """What messages about a source advise.

    Args:
        column: of a column that is not there; `{field}` is the reader's name for it.
        where: of a column of `data.where` that is not there; `{index}` is the condition's.
        keep: of a column of `data.keep` that is not there; None where it may be missing.
        rows: of bad rows that can be read, after "fix these rows in the source".
    """

    column: str = "set data.columns.{field} to the column's name"
    where: str = "set data.where[{index}].column to the column's name"
    keep: str | None = "set data.keep to columns that are there"
    rows: str = ", or leave them out with `data.where`"


class _Incomparable(RowError):
    """A cell that a condition of `data.where` cannot be applied to."""


class _Problems:
    """Bad rows of one source: the first few with their reason, and how many there are."""

    def __init__(self) -> None:
        self.total = 0
        self.shown: list[tuple[str, str]] = []
        self.unreadable = False

    def add(self, location: str, what: str, *, unreadable: bool = False) -> None:
        """Count a bad row; one that is `unreadable` has no columns that a condition could be about."""
        self.total += 1
        self.unreadable = self.unreadable or unreadable
        if len(self.shown) < _SHOWN:
            self.shown.append((location, printable(what)))

    def error(self, name: str, advice: str) -> DataError:
        hint = "fix these rows in the source"
        if not self.unreadable:
            hint += advice
        if self.total == 1:
            location, what = self.shown[0]
            return DataError(
                what, where=location, hint=hint.replace("these rows", "this row").replace("them", "it")
            )
        lines = [f"  {location}: {what}" for location, what in self.shown]
        if self.total > len(lines):
            lines.append(f"  ... and {self.total - len(lines):,} more")
        return DataError(f"{self.total:,} bad rows\n" + "\n".join(lines), where=name, hint=hint)


def stage(
    source: Opened,
    reader: Reader[Any, Any],
    prepare: PrepareRow | None,
    path: Path,
    hints: Hints = Hints(),
) -> Counts:
    """Read a source to its end and write its parsed rows to `path`.

    Raises:
        DataError: bad rows (all are counted, the first ones named), a column that is not there, no row left.
        PluginError: the plugin's hook failed.
    """
    spec = reader.spec
    problems = _Problems()
    seen: dict[str, None] = {}
    where, keep, columns = spec.data.where, spec.data.keep, reader.columns
    needed = [column for field, column in columns.items() if field not in reader.optional]
    read = kept = fixed = dropped = 0
    remarks: list[tuple[str, str]] = []
    with RowWriter(path, reader.schema, problems.add, keeps=bool(keep)) as writer:
        for record in _records(source):
            read += 1
            if record.problem or record.values is None:
                problems.add(record.location, record.problem, unreadable=True)
                continue
            try:
                row = _prepared(prepare, spec, record.values, record.location)
                if not row.keys() <= seen.keys() and len(seen) < _COLUMNS:
                    seen.update(dict.fromkeys(row))
                if where and not all(meets(condition, row) for condition in where):
                    continue
                for column in needed:
                    if column not in row:
                        raise RowError(f"the row has no column {column!r}")
                parsed = reader.parse(row)
                if remark := parsed.pop(REMARK, None):
                    fixed += 1
                    remarks += [(record.location, remark)][: _SHOWN - len(remarks)]
                own = None
                if keep:
                    own = json.dumps({column: row.get(column) for column in keep}, default=str)
                writer.add(parsed, record.location, own)
                kept += 1
            except RowDropped as why:
                dropped += 1
                remarks += [(record.location, why.what)][: _SHOWN - len(remarks)]
            except RowError as error:
                what = f"column {error.column!r}: {error.what}" if error.column else error.what
                problems.add(record.location, what, unreadable=isinstance(error, _Incomparable))
    _require_columns(seen, reader, source, hints)
    if problems.total:
        raise _with_encoding(problems.error(source.name, hints.rows), source)
    if not kept:
        if read > dropped:
            raise DataError(f"`data.where` leaves none of its {read:,} rows", where=source.name)
        if dropped:
            location, what = remarks[0]
            raise DataError(f"all of its {read:,} rows are left out; the first one: {what}", where=location)
        raise DataError("it has no rows", where=source.name)
    return Counts(read, kept, fixed, dropped, tuple(remarks))


def _records(source: Opened) -> Iterator[Record]:
    """The source's records; an error of its bytes says which encoding they look like."""
    try:
        yield from source.records()
    except DataError as error:
        raise _with_encoding(error, source) from None


def _with_encoding(error: DataError, source: Opened) -> DataError:
    """The error; of a file with bytes that are not of its encoding, with the one that they look like."""
    if source.file is None or source.encoding is None or is_encoded(source.file, source.encoding):
        return error
    try:
        found = guess_encoding(source.file)
    except OSError:  # what was wrong with its bytes is known
        return error
    if found is None:
        hint = "this is no file of text: unpack it, or say what it is with `format`"
    elif codec_of(found) == codec_of(source.encoding):
        return error
    else:
        hint = f"the file looks like {found}: set `encoding: {found}` of this source"
    return DataError(error.what, where=error.where, hint=hint)


def _prepared(
    prepare: PrepareRow | None, spec: Spec, row: dict[str, Any], location: str
) -> Mapping[str, Any]:
    if prepare is None:
        return row
    try:
        made = prepare(spec=spec, row=row)
    except ValueError as error:
        raise RowError(str(error)) from None
    except Exception as error:
        what = f"the plugin's ftcore_prepare_row failed with {type(error).__name__}: {error}"
        raise PluginError(what, where=location, hint="this is for the author of the plugin to fix") from error
    if made is None:
        return row
    if not isinstance(made, Mapping):
        what = f"the plugin's ftcore_prepare_row returned {type(made).__name__}, not a mapping"
        raise PluginError(what, where=location, hint="this is for the author of the plugin to fix")
    return made


def meets(condition: Condition, row: Mapping[str, Any]) -> bool:
    """Whether a row is kept. A cell without a value meets nothing."""
    value = row.get(condition.column)
    if value is None or (isinstance(value, str) and not value.strip()) or value != value:  # NaN
        return False
    if condition.one_of is not None and _as_text(value, condition.column) not in condition.one_of:
        return False
    if condition.min is None and condition.max is None:
        return True
    try:
        if isinstance(value, bool) or (isinstance(value, str) and "_" in value):
            raise TypeError
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        raise _Incomparable(
            f"the condition compares numbers, and {_short(value)} is none", condition.column
        ) from None
    least = -math.inf if condition.min is None else condition.min
    most = math.inf if condition.max is None else condition.max
    return least <= number <= most


def _as_text(value: Any, column: str) -> str:  # noqa: ANN401 (a cell)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int):
        return str(value)
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    raise _Incomparable(f"the condition compares text, and {_short(value)} is none", column)


def _short(value: Any) -> str:  # noqa: ANN401 (a cell)
    shown = repr(value)
    return shown if len(shown) <= 60 else shown[:57] + "..."


def _require_columns(seen: Iterable[str], reader: Reader[Any, Any], source: Opened, hints: Hints) -> None:
    """Refuse a source in which a column that the spec names never occurs."""
    there = list(seen)
    if not there:
        return
    named = [
        (column, hints.column.format(field=field))
        for field, column in reader.columns.items()
        if field not in reader.optional
    ]
    named += [
        (condition.column, hints.where.format(index=index))
        for index, condition in enumerate(reader.spec.data.where)
    ]
    if hints.keep is not None:
        named += [(column, hints.keep) for column in reader.spec.data.keep]
    for column, advice in named:
        require_columns(there, source.name, {column: advice}, source.field)
