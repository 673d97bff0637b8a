"""The audit of a run's rows: made before anything is trained, kept in the cache, and taken down by the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import ftcore
from ftcore.audit.findings import Audit
from ftcore.audit.rows import audit_rows
from ftcore.data import Splits
from ftcore.data.cache import UNCACHED
from ftcore.data.load import NAMES
from ftcore.data.sources import Opened, open_source
from ftcore.errors import DataError, UserError
from ftcore.families.reader import Reader
from ftcore.files import read_json, write_json
from ftcore.runs.cache import cache_dir, digest_of, one_at_a_time

_LAYOUT = 6  # of what is kept; raised when checks change


def audit_of(reader: Reader[Any, Any], splits: Splits, base_dir: Path) -> Audit:
    """The audit of the rows, from the cache where the same rows were looked at before.

    Args:
        base_dir: what relative paths start from: the spec's folder.

    Raises:
        DataError: a source cannot be read any more.
    """
    path = cache_dir() / "audits" / f"{digest_of([splits.key, ftcore.__version__, _LAYOUT])}.json"
    with one_at_a_time(["audit", splits.key]):
        try:
            return Audit.from_json(read_json(path))
        except (OSError, UserError, KeyError, TypeError):  # not there, or not whole
            found = audit_rows(splits, reader, _sources(reader, base_dir, splits))
        if not splits.key.startswith(UNCACHED):
            path.parent.mkdir(parents=True, exist_ok=True)
            write_json(path, found.to_json())
        return found


def _sources(reader: Reader[Any, Any], base_dir: Path, splits: Splits) -> list[Opened]:
    """What is read of files: a data set of the Hub has columns that its makers chose.

    Raises:
        DataError: one is not what the splits were read from.
    """
    data = reader.spec.data
    named = {name: source for name in NAMES if (source := getattr(data, name)) is not None}
    opened = {
        name: open_source(source, name, base_dir) for name, source in named.items() if source.hub is None
    }
    for read in splits.fingerprints:
        if read.split in opened and opened[read.split].sha256 != read.sha256:
            hint = "start again once nothing writes to it"
            raise DataError("it was changed after its rows were read", where=read.source, hint=hint)
    return [*opened.values()]
