"""`load_splits`: from the `data` section of a spec to three memory-mapped splits to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pyarrow as pa

from ftcore.data.cache import UNCACHED, cache_key, read_manifest, write_folder
from ftcore.data.rows import Counts, PrepareRow, stage
from ftcore.data.sources import Opened, open_source
from ftcore.data.splitting import Memberships, hold_out, rows_requested, sample, with_every_label
from ftcore.data.tables import Split, copy_rows, open_split
from ftcore.errors import DataError, RowError
from ftcore.families.reader import Fitted, Reader

NAMES = ("train", "validation", "test")


@dataclass(frozen=True)
class Fingerprint:
    """One input of a run: what it was, and how much of it was used.

    Args:
        split: the field of `data` that names it.
        source: as written in the spec.
        kind: the name of its format, or dataset, hub or rows.
        bytes: size of the content.
        sha256: of the content, in hex; of a single file the file's own.
        rows_read: rows in it.
        rows_kept: rows after `where`.
    """

    split: str
    source: str
    kind: str
    bytes: int
    sha256: str
    rows_read: int
    rows_kept: int


@dataclass(frozen=True)
class Report:
    """Row counts of how the splits came about.

    Args:
        rows: split -> rows in the end.
        filtered: source -> rows left out by `where`.
        fixed: source -> rows that the family fixed.
        dropped: source -> rows that the family left out, as the spec says.
        remarks: location and treatment of the first few rows fixed or dropped in each source.
        duplicates: source -> rows whose group (an equal input; of questions, an article) an earlier row of the source
            has; they stay in one split.
        held_out: split -> rows held out of the training source, before sampling.
        asked: split -> rows that were asked for, of those that had to be smaller: training keeps a row of every label.
        sampled: split -> rows before sampling, for the splits that lost any.
        leaked: given split -> rows of it whose group is in the training split as well.
        shared: test -> rows of it whose group is in validation as well, where one of the two was given: what chose the
            model is what it is measured on.
    """

    rows: dict[str, int] = field(default_factory=dict)
    filtered: dict[str, int] = field(default_factory=dict)
    fixed: dict[str, int] = field(default_factory=dict)
    dropped: dict[str, int] = field(default_factory=dict)
    remarks: list[tuple[str, str]] = field(default_factory=list)
    duplicates: dict[str, int] = field(default_factory=dict)
    held_out: dict[str, int] = field(default_factory=dict)
    asked: dict[str, int] = field(default_factory=dict)
    sampled: dict[str, int] = field(default_factory=dict)
    leaked: dict[str, int] = field(default_factory=dict)
    shared: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Splits:
    """What a run learns from and is measured on.

    Args:
        key: the same for the same rows, split alike; names what is derived from them.
        fitted: what the training rows teach.
    """

    key: str

    train: Split
    validation: Split
    test: Split
    fingerprints: tuple[Fingerprint, ...]
    report: Report
    fitted: Fitted

    def __getitem__(self, name: str) -> Split:
        return {split.name: split for split in self}[name]

    def __iter__(self) -> Iterator[Split]:
        return iter((self.train, self.validation, self.test))


def load_splits(
    reader: Reader[Any, Any],
    *,
    base_dir: Path,
    cache_dir: Path,
    hooks: Any = None,  # noqa: ANN401 (pluggy's hook relay has no useful type)
) -> Splits:
    """Read, check and split the rows of the reader's spec, then let it learn from them.

    Rows stream from the source to Arrow files in a folder of `cache_dir`, where a second call with the same
    inputs finds them. What is kept in memory is a few numbers a row.

    Args:
        base_dir: what relative paths start from: the spec's folder.
        hooks: pluggy's `pm.hook`, for `ftcore_prepare_row`.

    Raises:
        DataError: a source that cannot be read, bad rows, too few rows, or rows that contradict each other.
        PluginError: the plugin's hook failed.
    """
    spec = reader.spec
    sources = {
        name: open_source(source, name, base_dir)
        for name in NAMES
        if (source := getattr(spec.data, name)) is not None
    }
    plugins = (
        [found.plugin for found in hooks.ftcore_prepare_row.get_hookimpls()] if hooks is not None else []
    )
    key = cache_key(reader, sources, plugins)
    folder = cache_dir / (key or f"{UNCACHED}{uuid4().hex[:12]}")
    content = read_manifest(folder) if key else None
    if content is None:
        prepare = hooks.ftcore_prepare_row if plugins else None
        with write_folder(folder) as (made, content):
            content |= _prepare(reader, sources, prepare, made)
    train, validation, test = (open_split(folder / f"{name}.arrow", name) for name in NAMES)
    return Splits(
        folder.name,
        train,
        validation,
        test,
        fingerprints=tuple(Fingerprint(**item) for item in content["fingerprints"]),
        report=Report(**content["report"]),
        fitted=fit_splits(reader, (train, validation, test), sources["train"].name),
    )


def _prepare(
    reader: Reader[Any, Any],
    sources: Mapping[str, Opened],
    prepare: PrepareRow | None,
    folder: Path,
) -> dict[str, Any]:
    """Write `<split>.arrow` of each split into `folder`; return fingerprints and report as JSON."""
    spec = reader.spec
    counts: dict[str, Counts] = {}
    staged: dict[str, Path] = {}
    keys: dict[str, np.ndarray] = {}
    strata: dict[str, np.ndarray | None] = {}
    members: Memberships | None = None
    for name, source in sources.items():
        staged[name] = folder / f"{name}.staged"
        counts[name] = stage(source, reader, prepare, staged[name])
        table = open_split(staged[name], name).table
        keys[name] = _keys(reader, table)
        strata[name] = reader.strata(table) if spec.data.split.stratify else None
        if name == "train" and (pairs := reader.memberships(table)) is not None:
            members = Memberships(*pairs)
    report = Report(
        filtered={name: count.read - count.kept - count.dropped for name, count in counts.items()},
        fixed={name: count.fixed for name, count in counts.items()},
        dropped={name: count.dropped for name, count in counts.items()},
        remarks=[remark for count in counts.values() for remark in count.remarks],
        duplicates={name: len(key) - len(np.unique(key)) for name, key in keys.items()},
    )
    chosen = _choose(reader, keys, strata, report, members)
    for name, (source_name, rows) in chosen.items():
        copy_rows(staged[source_name], folder / f"{name}.arrow", rows)
        report.rows[name] = len(rows)
        if name in sources and name != "train":
            train = keys["train"][chosen["train"][1]]
            report.leaked[name] = int(np.isin(keys[name][rows], train).sum())
    if "test" in sources or "validation" in sources:
        test, validation = (keys[source][rows] for source, rows in (chosen["test"], chosen["validation"]))
        report.shared["test"] = int(np.isin(test, validation).sum())
    for path in staged.values():
        path.unlink()
    fingerprints = [
        Fingerprint(
            name, source.name, source.kind, source.bytes, source.sha256, counts[name].read, counts[name].kept
        )
        for name, source in sources.items()
    ]
    return {"fingerprints": [asdict(item) for item in fingerprints], "report": asdict(report)}


def _choose(
    reader: Reader[Any, Any],
    keys: Mapping[str, np.ndarray],
    strata: Mapping[str, np.ndarray | None],
    report: Report,
    members: Memberships | None,
) -> dict[str, tuple[str, np.ndarray]]:
    """Split -> the source its rows come from, and their indices (ascending) in it."""
    spec = reader.spec
    split = spec.data.split
    chosen = {name: (name, np.arange(len(key))) for name, key in keys.items()}
    sizes = {
        name: rows_requested(getattr(split, name), len(keys["train"]), name)
        for name in ("test", "validation")
        if name not in keys
    }
    if sizes:
        groups = np.unique(keys["train"], return_inverse=True)[1]
        made = hold_out(groups, strata["train"], sizes, split.seed, members, *reader.grouped_by)
        chosen["train"] = ("train", made.train)
        for name, rows in made.held_out.items():
            chosen[name] = ("train", rows)
            report.held_out[name] = len(rows)
            if made.requested[name] != sizes[name]:
                report.asked[name] = sizes[name]
    for stream, name in enumerate(NAMES, 1):
        source, rows = chosen[name]
        size = getattr(spec.data.sample, name)
        if size is not None and size < len(rows):
            classes = strata[source]
            drawn = sample(len(rows), None if classes is None else classes[rows], size, split.seed, stream)
            if name == "train" and members is not None:
                drawn = with_every_label(drawn, rows, members, split.seed)
            chosen[name] = (source, rows[drawn])
            report.sampled[name] = len(rows)
    return chosen


def _keys(reader: Reader[Any, Any], table: pa.Table) -> np.ndarray:
    """Hash of each row's group key, uint64 [rows], a chunk at a time: the texts themselves never pile up."""
    parts = [np.empty(0, np.uint64)]
    for batch in table.to_batches():
        keys = reader.groups(pa.Table.from_batches([batch])).to_pylist()
        hashes = (hashlib.blake2b((key or "").encode(), digest_size=8).digest() for key in keys)
        parts.append(np.frombuffer(b"".join(hashes), "<u8"))
    return np.concatenate(parts)


def fit_splits(reader: Reader[Any, Any], splits: Sequence[Split], train: str) -> Fitted:
    """What the first of the splits teaches; the others are checked against it.

    Args:
        train: the source of the training rows, for messages.

    Raises:
        DataError: they teach nothing, or another split contradicts them.
    """
    try:
        fitted: Fitted = reader.fit(splits[0].table)
    except RowError as error:
        raise DataError(_what(error), where=train, hint="see the `data` section of the spec") from None
    for split in splits:
        check_split(reader, fitted, split, "fix the row, or what the `data` section says of it")
    return fitted


def check_split(reader: Reader[Any, Any], fitted: Fitted, split: Split, hint: str) -> None:
    """Refuse rows that contradict what was learnt from the training rows.

    Raises:
        DataError: the first of them, with `hint`.
    """
    if found := reader.check(split.table, fitted):
        index, contradiction = found
        what = f"{_what(contradiction)} (in the {split.name} split)"
        raise DataError(what, where=split.locations[index].as_py(), hint=hint)


def _what(error: RowError) -> str:
    return f"column {error.column!r}: {error.what}" if error.column else error.what
